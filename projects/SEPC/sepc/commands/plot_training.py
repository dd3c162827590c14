"""Plot losses, learning rate and AP of trainings; and what a detector gets wrong.

    %(prog)s output/quickstart/* --output curves.png
    %(prog)s sepc=output/a lite=output/b/metrics.json --output curves.png
    %(prog)s output/quickstart/retinanet_pconv_ibn --mistakes mistakes.png

A training is named by its folder, or by the words before "=". For `--mistakes` detections are
matched with ground truth as COCO's evaluation does at IoU 0.5; the worst images come first. The
data of a quick start are found by themselves; others are named by `--annotations` and `--images`.
"""

from collections.abc import Sequence
from pathlib import Path

from ..score_threshold import SHOWN_SCORE
from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument(
        "runs", nargs="+", metavar="[NAME=]RUN", help="folder of a training, or its metrics.json"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="picture of the curves")
    parser.add_argument("--mistakes", type=Path, metavar="FILE", help="picture of the mistakes")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="COCO's json")
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="default: inference/coco_instances_results.json of the training",
    )
    parser.add_argument("--num-images", type=int, default=8)
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        default=SHOWN_SCORE,
        metavar="SCORE",
        help="leave out what scores less (default: %(default)s)",
    )
    args = parser.parse(argv)
    if args.output is None and args.mistakes is None:
        parser.error("expected --output FILE, --mistakes FILE or both")
    if args.mistakes is not None and len(args.runs) != 1:
        parser.error(f"--mistakes: expected one training, got {len(args.runs)}")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("plot_training", parse_args(argv, prog))
