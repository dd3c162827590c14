"""COCO evaluation of a model in training or on its own."""

from typing import Any

import torch
import torch.distributed as dist
from detectron2.config import instantiate
from detectron2.evaluation import inference_on_dataset, print_csv_format
from detectron2.utils import comm
from omegaconf import DictConfig
from torch import nn

from .rng import preserved_rng
from .setup import amp_dtype


def evaluate(cfg: DictConfig, model: nn.Module) -> dict[str, Any]:
    """Run ``cfg.dataloader.evaluator`` over ``cfg.dataloader.test``, in all processes together.

    In float32, or with ``train.amp.evaluate`` in the precision of ``train.amp``.

    The random states are left as they were, so that training does not depend on how often it is
    evaluated. Where processes differ in their running statistics, those of the main process
    count: they are what a checkpoint holds.

    Returns:
        task to metric to value in percent; empty in all processes but the main one.
    """
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
    precision = amp_dtype(cfg, evaluation=True)
    device = torch.device(cfg.train.device).type
    with preserved_rng(), torch.autocast(device, precision, enabled=precision is not None):
        results = inference_on_dataset(
            model, instantiate(cfg.dataloader.test), instantiate(cfg.dataloader.evaluator)
        )
    if comm.is_main_process():
        print_csv_format(results)
    return results or {}
