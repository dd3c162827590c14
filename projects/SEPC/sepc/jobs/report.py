"""Write the report of a training, one HTML file that opens without a network.

    python tools/report.py output/quickstart/retinanet_pconv_ibn
    python tools/report.py output/my_data --annotations datasets/my_data/annotations/val.json \
        --images datasets/my_data/val --results output/my_data/coco_instances_results.json

Config, environment, curves, COCO's metrics, and pictures of detections beside ground truth, for
which it needs the data of the evaluation: those of a quick start are found by themselves.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from sepc.calibration import ScoreCalibration
from sepc.program import exit_status
from sepc.report import Run, write_report


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="output folder of a training")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: RUN_DIR/report.html")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="COCO's json")
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument("--results", type=Path, metavar="FILE", help="in COCO's results format")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="of the scores")
    return parser.parse_args(argv)


def write(args: argparse.Namespace) -> None:
    calibration = ScoreCalibration.load(args.calibration) if args.calibration else None
    run = Run(
        args.run,
        annotations=args.annotations,
        images=args.images,
        results=args.results,
        calibration=calibration,
    )
    print(os.path.relpath(write_report(run, args.output)))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: write(args), ImportError)
