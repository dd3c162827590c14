"""Measure how a detector does on corrupted images: mPC and rPC, 15 corruptions at 5 severities.

    python tools/robustness.py --config-file configs/quickstart/retinanet_sepc.py \\
        --output output/robustness train.init_checkpoint=output/model_final.pth
    python tools/robustness.py --config-file FILE --exported detector.onnx --output FOLDER

It can be stopped at any time, and the same command goes on. FOLDER gets robustness.json with every
evaluation, robustness.md with the tables and robustness.png. See docs/robustness.md.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from detectron2.config import instantiate
from torch import nn

from sepc.d2 import engine
from sepc.d2.datasets import check_registered
from sepc.d2.export.run import ExportedModel
from sepc.d2.robustness import measure_robustness
from sepc.export import load_exported
from sepc.files import atomic_write
from sepc.program import exit_status
from sepc.robustness import CORRUPTIONS, SEVERITIES, available
from sepc.robustness.report import plot_robustness, robustness_table


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file", required=True, metavar="FILE", help="whose test set counts"
    )
    parser.add_argument("--exported", metavar="FILE", help="instead of train.init_checkpoint")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--corruptions",
        nargs="+",
        choices=CORRUPTIONS,
        metavar="NAME",
        help="default: all there are",
    )
    parser.add_argument("--severities", nargs="+", type=int, choices=SEVERITIES, default=SEVERITIES)
    parser.add_argument("--alpha", type=float, help="alpha-BN: share of old statistics (none)")
    parser.add_argument("--images", type=int, default=200, help="to take statistics from (200)")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse_intermixed_args(argv)
    if args.exported and args.alpha is not None:
        parser.error("--alpha: expected no --exported, whose norms are folded")
    return args


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


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    logging.getLogger("detectron2").setLevel(logging.WARNING)
    stopped = "Stopped. The same command goes on where it was."
    return exit_status(lambda: run(args), ImportError, stopped=stopped)
