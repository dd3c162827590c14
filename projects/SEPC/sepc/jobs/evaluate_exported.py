"""Evaluate an exported detector of any format by COCO's metrics."""

import argparse
import json
import warnings
from pathlib import Path

from detectron2.utils.logger import setup_logger

from ..calibration import ScoreCalibration
from ..d2.datasets import check_registered
from ..d2.engine import dataset_names, evaluate, load_config
from ..d2.export.run import ExportedModel, evaluate_on
from ..export import ExportedDetector, load_exported
from ..export.calibrated import calibrated
from ..export.devices import note_untested
from ..files import atomic_write
from ..program import exit_status


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


def main(args: argparse.Namespace) -> int:
    setup_logger(name="detectron2")
    return exit_status(lambda: run(args), ImportError)
