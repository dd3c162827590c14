"""Robustness of a detector of a LazyConfig file: its test set, corrupted, through evaluation."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import detectron2.data.transforms as T
import numpy as np
from detectron2.config import LazyCall as L
from detectron2.config import instantiate
from detectron2.utils.file_io import PathManager
from omegaconf import DictConfig
from torch import nn

from ..inference import optimize_for_inference
from ..robustness import corrupt
from ..robustness.record import CLEAN, RobustnessRecord, measure
from . import engine
from .calibrate import batches_of, calibrate, norms_to_calibrate


class Corruption(T.Augmentation):
    """Corruption of every image, as it comes from its file.

    What is random depends on the pixels alone, so that it is the same in every run, order and
    number of loader processes.

    Args:
        name, severity: see :func:`sepc.robustness.corrupt`.
        image_format: "RGB" or "BGR", the order of channels of the images.
    """

    def __init__(self, name: str, severity: int, image_format: str = "RGB") -> None:
        super().__init__()
        self.name, self.severity, self.image_format = name, severity, image_format

    def get_transform(self, image: np.ndarray) -> T.Transform:
        return T.ColorTransform(self._corrupted)

    def _corrupted(self, image: np.ndarray) -> np.ndarray:
        order = slice(None, None, -1 if self.image_format == "BGR" else 1)
        pixels = np.ascontiguousarray(image[:, :, order])
        seed = zlib.crc32(f"{self.name} {self.severity}".encode(), zlib.crc32(pixels.tobytes()))
        return corrupt(pixels, self.name, self.severity, seed=seed)[:, :, order]


def corrupted(cfg: DictConfig, name: str, severity: int) -> DictConfig:
    """Config whose test images are corrupted; the given one stays as it is."""
    cfg = copy.deepcopy(cfg)
    if name != CLEAN:
        mapper = cfg.dataloader.test.mapper
        first = L(Corruption)(name=name, severity=severity, image_format=mapper.image_format)
        mapper.augmentations = [first, *mapper.augmentations]
    return cfg


def measure_robustness(
    cfg: DictConfig,
    model: nn.Module,
    weights: str,
    path: Path,
    corruptions: Sequence[str],
    severities: Sequence[int],
    *,
    alpha: float | None = None,
    images: int = 200,
    say: Callable[[str], None] = print,
) -> RobustnessRecord:
    """Evaluate a detector on its test set, as it is and corrupted, in float32 on one device.

    Args:
        cfg: with ``dataloader.test``, and ``dataloader.train`` for ``alpha``.
        model: in eval mode, with its weights.
        weights: their file, whose content the record is of.
        path: JSON of the record, which goes on where it was.
        alpha: share of the old statistics in the norms of the pyramid, the others being those of
            training images under the same corruption, see :func:`.calibrate.calibrate` (alpha-BN).
            None leaves the norms as they are.
        images: for these statistics.

    Raises:
        ValueError: for the record of another setting; for ``alpha`` and a model without running
            statistics.
    """
    if alpha is not None:
        norms_to_calibrate(model)
    content = Path(PathManager.get_local_path(weights)).read_bytes()
    setting = {
        "weights": hashlib.sha256(content).hexdigest()[:16],
        "data": engine.dataset_names(cfg.dataloader.test),
        "alpha": alpha,
        **({"images": images} if alpha is not None else {}),
    }
    record = RobustnessRecord(path, setting)

    def evaluate(name: str, severity: int) -> dict[str, float]:
        here = corrupted(cfg, name, severity)
        with contextlib.redirect_stdout(io.StringIO()):  # COCO's tables
            found = engine.evaluate(here, _adapted(here, model, alpha, images))["bbox"]
        return {name: value for name, value in found.items() if "-" not in name}  # not of classes

    measure(evaluate, record, corruptions, severities, say=say)
    return record


def _adapted(cfg: DictConfig, model: nn.Module, alpha: float | None, images: int) -> nn.Module:
    """Model for inference, with statistics of the config's corruption where alpha says so."""
    if alpha is not None:
        mapper = instantiate(cfg.dataloader.test.mapper)
        dataset = engine.dataset_names(cfg.dataloader.train)[0]
        count, batches = batches_of(dataset, mapper, images=images, batch_size=min(16, images))
        model = copy.deepcopy(model)
        calibrate(model, batches, num_batches=count, alpha=alpha)
    return optimize_for_inference(model)
