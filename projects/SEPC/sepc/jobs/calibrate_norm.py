"""Make a checkpoint's running statistics anew from a data set: checkpoint in, checkpoint out."""

import argparse

from detectron2.config import instantiate
from detectron2.utils.logger import setup_logger

from ..checkpoint.writing import write_data
from ..d2 import engine
from ..d2.calibrate import batches_of, calibrate
from ..d2.datasets import check_registered
from ..program import exit_status


def calibrate_checkpoint(args: argparse.Namespace) -> str:
    """Calibrate the checkpoint and write the new one; return a line about it."""
    cfg = engine.load_config(args.config_file, args.opts)
    dataset = args.dataset or engine.dataset_names(cfg.dataloader.train)[0]
    check_registered(dataset)
    engine.use_available_device(cfg, num_gpus=1)
    model = instantiate(cfg.model).to(cfg.train.device)
    source, target = args.weights
    engine.Checkpointer(model).load(source, checkpointables=[], strict=True)

    batch_size = args.batch_size or cfg.dataloader.train.total_batch_size
    mapper = instantiate(cfg.dataloader.test.mapper)
    count, batches = batches_of(dataset, mapper, images=args.images, batch_size=batch_size)
    settings = {"alpha": args.alpha, "norms": args.norms}
    calibrate(model, batches, num_batches=count, progress=True, **settings)
    settings |= {"dataset": dataset, "images": count * batch_size}
    write_data({"model": model.state_dict(), "calibration": settings}, target)
    return f"{target}: " + ", ".join(f"{key} {value}" for key, value in settings.items())


def main(args: argparse.Namespace) -> int:
    setup_logger(name="fvcore")
    return exit_status(lambda: print(calibrate_checkpoint(args)))
