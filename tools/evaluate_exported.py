#!/usr/bin/env python
"""Evaluate an exported detector of any format by COCO's metrics.

    python tools/evaluate_exported.py model.onnx --config-file configs/quickstart/retinanet_sepc.py
    python tools/evaluate_exported.py model.onnx --dataset coco_2017_val

With a config the images are read and resized as it says, with the name of a data set as the texts
in the file say. The file runs on the CPU unless --device names another; OMP_NUM_THREADS sets the
threads. TorchScript and
torch.export files are programs, which --trust runs: give it for your own files alone.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from detectron2.utils.logger import setup_logger

from sepc.calibration import ScoreCalibration
from sepc.d2.datasets import check_registered
from sepc.d2.engine import dataset_names, evaluate, load_config
from sepc.d2.export.run import ExportedModel, evaluate_on
from sepc.export import ExportedDetector, load_exported
from sepc.export.calibrated import calibrated
from sepc.export.devices import add_device_argument, note_untested
from sepc.files import atomic_write
from sepc.program import exit_status


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", metavar="FILE", help="written by tools/export_model.py")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--config-file", metavar="FILE", help="whose test set is used")
    data.add_argument("--dataset", metavar="NAME", help="registered in Detectron2's catalog")
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run a TorchScript or torch.export file, which is a program, not data",
    )
    add_device_argument(parser)
    parser.add_argument("--json", metavar="FILE", help="write the metrics there as well")
    parser.add_argument("--calibration", metavar="FILE", help="of the scores, without thresholds")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse_intermixed_args(argv)
    if args.opts and not args.config_file:
        parser.error("key=value: expected --config-file")
    return args


def metrics_of(exported: ExportedDetector, args: argparse.Namespace) -> dict:
    """Metrics by task and name, in percent."""
    if args.dataset:
        return evaluate_on(exported, args.dataset)
    cfg = load_config(args.config_file, args.opts)
    check_registered(dataset_names(cfg.dataloader.test), evaluation=True)
    return evaluate(cfg, ExportedModel(exported, num_classes=cfg.model.get("num_classes")))


def run(args: argparse.Namespace) -> None:
    note_untested(args.device)
    exported = load_exported(args.file, trust=args.trust, device=args.device)
    if args.calibration:
        exported = calibrated(exported, ScoreCalibration.load(args.calibration))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about each other
        metrics = metrics_of(exported, args)
    for task, values in metrics.items():
        print(f"{task}: " + "  ".join(f"{k} {v:.2f}" for k, v in values.items()))
    if args.json:
        with atomic_write(args.json) as partial:
            Path(partial).write_text(json.dumps(metrics, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    setup_logger(name="detectron2")
    return exit_status(lambda: run(args), ImportError)


if __name__ == "__main__":
    sys.exit(main())
