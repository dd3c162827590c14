"""Evaluate detections on LVIS data by AP-Fixed and AP-Pool (https://arxiv.org/abs/2102.01066)."""

import argparse

from ..data.validate import read_annotations, read_results
from ..evaluation.lvis import evaluate_lvis
from ..program import exit_status


def run(args: argparse.Namespace) -> None:
    content, results = read_annotations(args.annotations), read_results(args.results)
    found = evaluate_lvis(content, results, per_class=args.per_class)
    for name, value in found.metrics.items():
        print(f"{name} {100 * value:.2f}" if value >= 0 else f"{name} no objects")


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ImportError)
