"""Measure how a detector does on corrupted images: mPC and rPC, 15 corruptions at 5 severities."""

import argparse
import logging

from detectron2.config import instantiate
from torch import nn

from ..d2 import engine
from ..d2.datasets import check_registered
from ..d2.export.run import ExportedModel
from ..d2.robustness import measure_robustness
from ..export import load_exported
from ..files import atomic_write
from ..program import exit_status
from ..robustness import available
from ..robustness.report import plot_robustness, robustness_table


def run(args: argparse.Namespace) -> None:
    cfg = engine.load_config(args.config_file, args.opts)
    check_registered(engine.dataset_names(cfg.dataloader.test), evaluation=True)
    if args.alpha is not None:
        check_registered(engine.dataset_names(cfg.dataloader.train))
    engine.use_available_device(cfg, num_gpus=1)
    weights = args.exported or cfg.train.init_checkpoint
    if not weights:
        raise ValueError("expected train.init_checkpoint=FILE or --exported FILE, got none")
    model: nn.Module
    if args.exported:
        model = ExportedModel(load_exported(args.exported))
    else:
        model = instantiate(cfg.model).to(cfg.train.device)
        engine.Checkpointer(model).load(weights, checkpointables=[], strict=True)
    corruptions = args.corruptions or available()
    if "frost" not in corruptions and not args.corruptions:
        print("frost is left out: pip install --no-deps imagecorruptions for its pictures")
    record = measure_robustness(
        cfg,
        model.eval(),
        weights,
        args.output / "robustness.json",
        corruptions,
        args.severities,
        alpha=args.alpha,
        images=args.images,
    )
    table = robustness_table(record)
    with atomic_write(args.output / "robustness.md") as partial:
        partial.write_text(f"# Robustness\n\n{table}\n", encoding="utf-8")
    plot_robustness(record, args.output / "robustness.png")
    print(table)


def main(args: argparse.Namespace) -> int:
    logging.getLogger("detectron2").setLevel(logging.WARNING)
    stopped = "Stopped. The same command goes on where it was."
    return exit_status(lambda: run(args), ImportError, stopped=stopped)
