"""Tell which levels of its pyramid a detector uses on a data set, before it is trained.

    python tools/pyramid_usage.py --config-file configs/quickstart/atss_sepc.py
    python tools/pyramid_usage.py --config-file FILE --dataset my_data_train --images 200 \\
        dataloader.train.mapper.augmentations.0.short_edge_length=640

SEPC helps where objects are decided above the finest level and span several cells there. The table
says per level how many of the positive anchors and of the objects it has, and how many cells an
object spans at its level; a warning says where the pyramid is hardly used, and what to change. The
assigner is the detector's own, and images are augmented as in training.

FSAF chooses levels by its loss: name weights with `train.init_checkpoint=FILE`. FreeAnchor has no
positives: counted are the anchors in the bags of the objects.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import setup_logger

from sepc.d2 import engine
from sepc.d2.datasets import check_registered
from sepc.d2.pyramid_usage import PyramidUsage, measure_usage
from sepc.data.progress import progress
from sepc.program import exit_status


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


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--dataset", metavar="NAME", help="registered; default: that of training")
    parser.add_argument("--images", type=int, default=500, help="at most so many (500)")
    parser.add_argument("--seed", type=int, default=0, help="of choice and augmentation (0)")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse_args(argv)
    if args.images < 1:
        parser.error(f"--images: expected at least 1, got {args.images}")
    setup_logger(name="fvcore")
    return exit_status(lambda: tell(measure(args)))


def tell(usage: PyramidUsage) -> None:
    print(usage.table())
    for warning in usage.warnings():
        print(f"\nwarning: the pyramid is hardly used: {warning}")
