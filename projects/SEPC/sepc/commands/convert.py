"""Convert weights of the authors, UniverseNet, torchvision or timm for a detector of this project.

    %(prog)s IN OUT.pth --config-file configs/released/NAME.py

IN is a file or an address. It is a whole detector of mmdetection, or a ResNet by itself
(torchvision, timm), which becomes the detector's backbone; pass OUT.pth as train.init_checkpoint.
With --reverse a detector of ours gets mmdetection's names. IN is read as data: no code in it is
run. What does not fit is an error, and then there is no OUT.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("input", metavar="IN", help="a file or an address")
    parser.add_argument("output", metavar="OUT", type=Path, help="ends in .pth")
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--reverse", action="store_true", help="from our names to mmdetection's")
    parser.add_argument("--list", action="store_true", help="print each name, old and new")
    parser.add_argument("--any-hash", action="store_true", help="don't check a hash in IN's name")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("convert", parse_args(argv, prog))
