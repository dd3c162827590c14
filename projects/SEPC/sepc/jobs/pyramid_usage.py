"""Tell which levels of its pyramid a detector uses on a data set, before it is trained."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import setup_logger

from ..d2 import engine
from ..d2.datasets import check_registered
from ..d2.pyramid_usage import PyramidUsage, measure_usage
from ..data.progress import progress
from ..program import exit_status


def measure(args: argparse.Namespace) -> PyramidUsage:
    """Measure the use of the levels on images of the training."""
    cfg = engine.load_config(args.config_file, args.opts)
    if args.dataset:
        cfg.dataloader.train.dataset.names = args.dataset
    check_registered(engine.dataset_names(cfg.dataloader.train))
    model = instantiate(cfg.model)
    if getattr(model, "assigns_by_loss", False):
        if not cfg.train.init_checkpoint:
            print(
                "warning: this detector chooses levels by its loss, here without training; "
                "name weights with train.init_checkpoint=FILE",
                file=sys.stderr,
            )
        else:
            engine.Checkpointer(model).load(cfg.train.init_checkpoint, checkpointables=[])
    return measure_usage(model, images_of(cfg, limit=args.images, seed=args.seed))


def images_of(cfg: Any, *, limit: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield at most ``limit`` images of the training set, drawn and augmented by the seed."""
    seed_all_rng(seed)
    dataset = list(instantiate(cfg.dataloader.train.dataset))
    mapper = instantiate(cfg.dataloader.train.mapper)
    chosen = np.random.permutation(len(dataset))[:limit]
    for index in progress(chosen, total=len(chosen), description="images"):
        yield mapper(dataset[index])


def main(args: argparse.Namespace) -> int:
    setup_logger(name="fvcore")
    return exit_status(lambda: tell(measure(args)))


def tell(usage: PyramidUsage) -> None:
    print(usage.table())
    for warning in usage.warnings():
        print(f"\nwarning: the pyramid is hardly used: {warning}")
