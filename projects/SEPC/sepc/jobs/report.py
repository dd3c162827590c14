"""Write the report of a training, one HTML file that opens without a network."""

import argparse
import os

from ..calibration import ScoreCalibration
from ..program import exit_status
from ..report import Run, write_report


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


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: write(args), ImportError)
