"""Convert weights of the authors, UniverseNet, torchvision or timm for a detector of ours."""

import argparse
import time
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.data import MetadataCatalog
from detectron2.modeling.backbone.fpn import LastLevelP6P7
from detectron2.utils.file_io import PathManager
from omegaconf import DictConfig
from torch import Tensor, nn

from ..checkpoint.conversion import convert_weights, restore_weights
from ..checkpoint.meta import check_meta
from ..checkpoint.names import is_resnet
from ..checkpoint.reading import Checkpoint, check_hash, read_checkpoint
from ..checkpoint.report import Report
from ..checkpoint.settings import (
    ANCHORS,
    DELTAS,
    INCLUSIVE,
    NO_RELU,
    VALID,
    lacking_settings,
)
from ..checkpoint.writing import write_data
from ..d2 import mmdet1
from ..d2.config_files import find_config
from ..d2.detectors.retinanet import RetinaNet
from ..d2.engine import dataset_names, load_config
from ..program import exit_status

IMAGENET_MEAN, IMAGENET_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]  # R, G, B; 0..255


def local_file(source: str) -> str:
    """Path of IN, downloaded if it is an address.

    Raises:
        ValueError: for an address of Google Drive, which has a page before each file.
        OSError: it cannot be had.
    """
    if "drive.google.com" in source:
        raise ValueError(f"{source}: download it with a browser, and give the file")
    try:
        return PathManager.get_local_path(source)
    except (urllib.error.URLError, AssertionError) as error:
        raise OSError(f"cannot download {source}: {error}") from error


def check_input(cfg: DictConfig, model: nn.Module) -> None:
    """Check that the config normalizes images as the weights expect, and strides in the 3x3.

    Raises:
        ValueError: the config is for other weights.
    """
    channels = cfg.dataloader.test.mapper.image_format
    mean, std = list(cfg.model.pixel_mean), list(cfg.model.pixel_std)
    expected = torch.tensor([IMAGENET_MEAN, IMAGENET_STD])
    if channels != "RGB" or not torch.allclose(torch.tensor([mean, std]), expected, rtol=1e-3):
        raise ValueError(
            f"the weights expect RGB images with mean {IMAGENET_MEAN} and std {IMAGENET_STD}, "
            f"the config gives {channels} with mean {mean} and std {std}"
        )
    blocks = [x for x in model.modules() if isinstance(getattr(x, "conv3", None), nn.Conv2d)]
    if any(getattr(x, "shortcut", None) is not None and x.conv1.stride != (1, 1) for x in blocks):
        raise ValueError("the weights expect strides in the 3x3: set stride_in_1x1 to False")


def check_settings(checkpoint: Checkpoint, cfg: DictConfig, model: nn.Module, path: Path) -> None:
    """Check that the config sets what weights of mmdetection need besides names and shapes.

    Raises:
        ValueError: it does not; names the config of configs/released that does, if there is one.
    """
    lacking = lacking_settings(checkpoint.weights, checkpoint.meta, settings_of(cfg, model))
    if lacking:
        released = path.resolve().parents[1] / "released" / path.name
        known = f"configs/released/{path.name}" if released.is_file() else "a config that does"
        raise ValueError(
            f"the weights need {', '.join(lacking)}, which {path} does not set: expected {known}"
        )


def settings_of(cfg: DictConfig, model: nn.Module) -> dict[str, bool]:
    """Which of the settings that can apply to this model it has."""
    top_block = getattr(model.backbone, "top_block", None)
    settings = {VALID: cfg.model.head.trunk.get("head_padding", "same") == "valid"}
    if isinstance(top_block, LastLevelP6P7):
        settings[NO_RELU] = isinstance(top_block, mmdet1.LastLevelP6P7)
    if isinstance(model, RetinaNet):
        settings[ANCHORS] = isinstance(model.anchor_generator, mmdet1.LegacyAnchorGenerator)
        settings[DELTAS] = isinstance(model.box2box_transform, mmdet1.LegacyBox2BoxTransform)
    if hasattr(model, "inclusive_boxes"):
        settings[INCLUSIVE] = model.inclusive_boxes
    return settings


def classes_of(cfg: DictConfig) -> Sequence[str] | None:
    """Names of the classes of the config's data set for tests, if Detectron2 knows them."""
    names = dataset_names(cfg.dataloader.test)
    return MetadataCatalog.get(names[0]).get("thing_classes") if names else None


def convert(checkpoint: Checkpoint, cfg: DictConfig, path: Path) -> tuple[dict[str, Any], Report]:
    """Convert the weights of IN; return what OUT holds, and the report."""
    with torch.device("meta"):
        model = instantiate(cfg.model)
    check_input(cfg, model)
    weights, report = convert_weights(checkpoint.weights, model.state_dict())
    if not is_resnet(checkpoint.weights):
        report.notes += check_meta(
            checkpoint.meta,
            detector=type(model).__name__,
            head_padding=cfg.model.head.trunk.get("head_padding", "same"),
            classes=classes_of(cfg),
        )
        if not report.problems():  # where weights don't fit, that is the thing to say
            check_settings(checkpoint, cfg, model, path)
    return {"model": weights}, report


def restore(weights: dict[str, Tensor], cfg: DictConfig) -> tuple[dict[str, Any], Report]:
    """Convert weights of the config's model, and no others, back to mmdetection's names."""
    with torch.device("meta"):
        expected = instantiate(cfg.model).state_dict()
    restored, report = restore_weights(weights, expected)
    return {"state_dict": restored, "meta": {}}, report


def run(args: argparse.Namespace) -> None:
    """Read IN, rename, report, and write OUT if everything fits."""
    start = time.monotonic()
    if args.output.suffix != ".pth":
        raise ValueError(f"OUT: expected a name that ends in .pth, got {args.output}")
    path = local_file(args.input)
    checkpoint = read_checkpoint(path)
    if not args.any_hash:
        check_hash(path, args.input)
    config_file = find_config(args.config_file)
    cfg = load_config(config_file)
    if args.reverse:
        content, report = restore(checkpoint.weights, cfg)
    else:
        content, report = convert(checkpoint, cfg, Path(config_file))
    if args.list:
        print("\n".join(f"{old} -> {new}" for old, new in report.mapped.items()))
    print(report)
    report.check()
    write_data(content, args.output)
    print(f"wrote {args.output} in {time.monotonic() - start:.1f} s")


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args))
