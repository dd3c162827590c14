"""Check data in COCO's format as a training does, and make a page of what is in them.

    %(prog)s datasets/my_data
    %(prog)s configs/my_data/retinanet_sepc_lite.py --page data.html

A folder has COCO's layout: `annotations/instances_train2017.json` and `train2017/`, the same for
`val`, or one of both; names without 2017 are found, too. A config names its data sets, and they
are held against its model as well. Exit status 2 where something is wrong.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("source", metavar="FOLDER|CONFIG", help="the data, or who names them")
    parser.add_argument("--page", type=Path, metavar="FILE", help="HTML page to write")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("check_data", parse_args(argv, prog))
