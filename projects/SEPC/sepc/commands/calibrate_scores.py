"""Calibrate a detector's scores: detections and ground truth in, thresholds and calibrators out.

    %(prog)s --output output/scores \\
        --annotations datasets/shapes/annotations/instances_val2017.json \\
        --results output/quickstart/retinanet_pconv_ibn/inference/coco_instances_results.json
    sepc predict --onnx detector.onnx --input photos --output found \\
        --calibration output/scores/calibration.json

Every other image is fitted to, and the others tell what it buys; with --test they are other data.
FOLDER gets calibration.json, errors.md with the table and reliability.png. Needs no Detectron2.
See docs/calibration.md.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--annotations", type=Path, required=True, metavar="FILE")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="COCO's format")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--test", type=Path, nargs=2, metavar=("ANNOTATIONS", "RESULTS"), help="other images"
    )
    parser.add_argument(
        "--calibrator",
        choices=("isotonic", "linear", "platt", "temperature"),
        default="isotonic",
        help="to keep",
    )
    parser.add_argument(
        "--iou", type=float, default=1e-12, help="least overlap of a match (any at all)"
    )
    args = parser.parse(argv)
    if not 0 <= args.iou < 1:
        parser.error(f"--iou: expected 0 to less than 1, got {args.iou:g}")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("calibrate_scores", parse_args(argv, prog))
