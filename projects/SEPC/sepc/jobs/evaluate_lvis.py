"""Evaluate detections on LVIS data by AP-Fixed and AP-Pool (https://arxiv.org/abs/2102.01066).

    python tools/evaluate_lvis.py --annotations datasets/lvis/lvis_v1_val.json \\
        --results output/inference/coco_instances_results.json

The best 10000 detections of each class count, and there is no limit per image, so the detector
should keep many. Needs the package lvis, and no Detectron2. See docs/calibration.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sepc.data.validate import read_annotations, read_results
from sepc.evaluation.lvis import evaluate_lvis
from sepc.evaluation.per_class import PER_CLASS
from sepc.program import exit_status


def run(args: argparse.Namespace) -> None:
    content, results = read_annotations(args.annotations), read_results(args.results)
    found = evaluate_lvis(content, results, per_class=args.per_class)
    for name, value in found.metrics.items():
        print(f"{name} {100 * value:.2f}" if value >= 0 else f"{name} no objects")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", type=Path, required=True, metavar="FILE")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="COCO's format")
    parser.add_argument("--per-class", type=int, default=PER_CLASS, help=f"({PER_CLASS})")
    args = parser.parse_args(argv)
    return exit_status(lambda: run(args), ImportError)
