"""Write the report of a training, one HTML file that opens without a network.

    %(prog)s output/quickstart/retinanet_pconv_ibn
    %(prog)s output/my_data --annotations datasets/my_data/annotations/val.json \\
        --images datasets/my_data/val --results output/my_data/coco_instances_results.json

Config, environment, curves, COCO's metrics, and pictures of detections beside ground truth, for
which it needs the data of the evaluation: those of a quick start are found by themselves.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="output folder of a training")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: RUN_DIR/report.html")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="COCO's json")
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument("--results", type=Path, metavar="FILE", help="in COCO's results format")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="of the scores")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("report", parse_args(argv, prog))
