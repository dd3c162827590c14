"""Average the weights of several checkpoints of one model into one checkpoint."""

import argparse
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.utils.logger import setup_logger
from torch import nn

from ..averaging import State, greedy_average, uniform_average
from ..checkpoint.writing import write_data
from ..d2 import engine
from ..d2.calibrate import batches_of, calibrate, norms_to_calibrate
from ..program import exit_status


def average_checkpoints(args: argparse.Namespace) -> str:
    """Average, calibrate and write; return a line about it."""
    cfg = engine.load_config(args.config_file, args.opts)
    engine.use_available_device(cfg, num_gpus=1)
    model = instantiate(cfg.model).to(cfg.train.device)
    states = [_weights(model, path) for path in args.weights]

    def average_precision(state: State) -> float:
        model.load_state_dict(state)
        return engine.evaluate(cfg, model.eval())["bbox"]["AP"]

    taken = list(range(len(states)))
    if args.greedy:
        mean, taken = greedy_average(states, average_precision)
    else:
        mean = uniform_average(states)
    model.load_state_dict(mean)
    facts = {"averaged": [args.weights[i] for i in taken], "calibrated_on": 0}
    if args.images:
        facts["calibrated_on"] = _calibrate(cfg, model, args.images)
    write_data({"model": model.state_dict(), "average": facts}, args.output)
    return f"{args.output}: " + ", ".join(f"{key} {value}" for key, value in facts.items())


def _weights(model: nn.Module, path: str) -> dict[str, torch.Tensor]:
    engine.Checkpointer(model).load(path, checkpointables=[], strict=True)
    return {name: value.clone() for name, value in model.state_dict().items()}


def _calibrate(cfg: Any, model: nn.Module, images: int) -> int:
    """Make the statistics over the pyramid anew, if there are any; the number of images seen."""
    try:
        norms_to_calibrate(model)
    except ValueError:
        return 0
    dataset = engine.dataset_names(cfg.dataloader.train)[0]
    batch_size = cfg.dataloader.train.total_batch_size
    mapper = instantiate(cfg.dataloader.test.mapper)
    count, batches = batches_of(dataset, mapper, images=images, batch_size=batch_size)
    calibrate(model, batches, num_batches=count, progress=True)
    return count * batch_size


def main(args: argparse.Namespace) -> int:
    setup_logger(name="fvcore")
    return exit_status(lambda: print(average_checkpoints(args)))
