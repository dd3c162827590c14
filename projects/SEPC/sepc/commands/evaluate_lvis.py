"""Evaluate detections on LVIS data by AP-Fixed and AP-Pool (https://arxiv.org/abs/2102.01066).

    %(prog)s --annotations datasets/lvis/lvis_v1_val.json \\
        --results output/inference/coco_instances_results.json

The best 10000 detections of each class count, and there is no limit per image, so the detector
should keep many. Needs the package lvis, and no Detectron2. See docs/calibration.md.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--annotations", type=Path, required=True, metavar="FILE")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="COCO's format")
    parser.add_argument("--per-class", type=int, default=10000, help="(10000)")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("evaluate_lvis", parse_args(argv, prog))
