"""COCO evaluation of a model in training or on its own."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from detectron2.config import instantiate
from detectron2.evaluation import inference_on_dataset, print_csv_format
from detectron2.utils import comm
from omegaconf import DictConfig
from torch import nn
from torch.utils.data import DataLoader

from ...signals import StopSignals, stops_blocked
from .agreement import highest
from .bad_images import BadImage, BadImages, usable
from .hooks import TrainingStopped
from .rng import preserved_rng
from .setup import amp_dtype


def evaluate(
    cfg: DictConfig, model: nn.Module, stop_signals: StopSignals | None = None
) -> dict[str, Any]:
    """Run ``cfg.dataloader.evaluator`` over ``cfg.dataloader.test``, in all processes together.

    In float32, or with ``train.amp.evaluate`` in the precision of ``train.amp``.

    The random states are left as they were, so that training does not depend on how often it is
    evaluated. Where processes differ in their running statistics, those of the main process
    count: they are what a checkpoint holds.

    Args:
        cfg: a whole config.
        model: to evaluate.
        stop_signals: end the evaluation after the batch in which they come.

    Returns:
        task to metric to value in percent; empty in all processes but the main one.

    Raises:
        TrainingStopped: after a signal to any process, in all of them.
        BadImageError: if an image can't be used and is not to be skipped, in all processes.
    """
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
    precision = amp_dtype(cfg, evaluation=True)
    device = torch.device(cfg.train.device)
    with preserved_rng(), torch.autocast(device.type, precision, enabled=precision is not None):
        batches = _Batches(instantiate(cfg.dataloader.test), device, stop_signals)
        results = inference_on_dataset(
            model,
            batches,
            instantiate(cfg.dataloader.evaluator),
            callbacks={"on_end": batches.agree},
        )
    if comm.is_main_process():
        print_csv_format(results)
    return results or {}


class _Batches:
    """Batches of a test loader until a signal, or an image that can't be used and must be."""

    def __init__(
        self, loader: DataLoader, device: torch.device, stop_signals: StopSignals | None
    ) -> None:
        self._loader = loader
        self._device = device
        self._stop_signals = stop_signals
        self._bad: list[BadImage] = []

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        with stops_blocked():  # while loader processes start, which then see to it themselves
            loaded = iter(self._loader)
        for batch, bad in map(usable, loaded):
            self._bad += bad
            if self._received() or not all(x.skip for x in bad):
                return
            if batch:
                yield batch

    def _received(self) -> int:
        return self._stop_signals.received if self._stop_signals else 0

    def agree(self) -> None:
        """Go on in all processes or in none, before they gather their detections."""
        signum = highest(self._received(), self._device)
        if signum:
            raise TrainingStopped(signum)
        bad_images = BadImages(self._device)
        bad_images.add(self._bad)
        bad_images.report("which count as images without detections")
