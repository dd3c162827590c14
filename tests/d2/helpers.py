"""Small detectors and inputs for the tests of the Detectron2 binding."""

import copy
import functools
from pathlib import Path

import pytest
import torch
from detectron2.config import LazyConfig
from detectron2.structures import Boxes, Instances, PolygonMasks

from dev.setup_env import has_compiled_operators
from quickstart import settings as quickstart_settings
from sepc.d2.engine import load_config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"

needs_compiled = pytest.mark.skipif(
    not has_compiled_operators(), reason="this Detectron2 is without its compiled operators"
)


@functools.cache
def loaded(path: Path):
    """The config of a file, to be read only: it is the same one for all tests."""
    return load_config(str(path))


def config_of(path: Path, overrides=()):
    """A config to change at will; the overrides are not checked, as :func:`load_config` does."""
    return LazyConfig.apply_overrides(copy.deepcopy(loaded(path)), list(overrides))


def tiny_overrides(output_dir, **others) -> list[str]:
    """Overrides that make a quick-start config train for moments on ``tiny_data``."""
    settings = {
        "dataloader.train.dataset.names": "tiny_train",
        "dataloader.test.dataset.names": "tiny_val",
        "dataloader.train.total_batch_size": 2,
        "model.backbone.out_channels": 8,
        "train.device": "cpu",
        "train.max_iter": 4,
        "train.checkpointer.period": 2,
        "train.eval_period": 0,
        "train.log_period": 1,
        "train.output_dir": str(output_dir),
        "+train.report": False,
        **others,
    }
    return [f"{key}={value}" for key, value in settings.items()]


def tiny_config(output_dir, variant: str = "pconv_ibn", detector: str = "retinanet", **others):
    file, overrides = quickstart_settings.config_of(detector, variant)
    return config_of(ROOT / file, [*overrides, *tiny_overrides(output_dir, **others)])


def image_input(height: int, width: int, boxes=None, classes=None) -> dict:
    """What a detector gets for one image of noise; with boxes, what it gets in training.

    The masks are the boxes, for the detectors that want some.
    """
    item = {"image": torch.rand(3, height, width) * 255, "height": height, "width": width}
    if boxes is not None:
        item["instances"] = Instances(
            (height, width),
            gt_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
            gt_classes=torch.tensor(classes or [], dtype=torch.int64),
            gt_masks=PolygonMasks([[[x1, y1, x2, y1, x2, y2, x1, y2]] for x1, y1, x2, y2 in boxes]),
        )
    return item
