"""Config of a training on a folder of data: what depends on the data is derived from them."""

import contextlib
import itertools
import math
import os
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detectron2.data.transforms import ResizeShortestEdge
from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf

from ..data.coco_layout import coco_files
from ..data.validate import validate_coco
from .datasets import register_coco_folder
from .engine.config import load_config

COCO_IMAGES = 117_266  # of train2017 with objects: what an epoch of the recipes is
FEWEST_IMAGES = 20_000  # to see in a training, whatever an epoch is
IMAGES_PER_PROCESS = 4  # as the authors train, four on each GPU
EVALUATIONS = 12  # of a training at most
LARGEST_SCALING = 2  # of images; COCO's are scaled by about 1.7

_BATCH, _ITERATIONS = "dataloader.train.total_batch_size", "train.max_iter"
_ACCUMULATE = "train.accumulate"


def config_for_data(
    path: str, overrides: Sequence[str], folder: str | os.PathLike[str], *, processes: int = 1
) -> tuple[DictConfig, list[str]]:
    """Load a config and fit it to the data of a folder, which it then trains and evaluates on.

    The classes, the size of the images, the batch, learning rate and schedule follow the data and
    the number of processes; the recipe of the config is that for COCO. Overrides win, and what
    depends on an overridden batch or number of iterations follows it.

    Args:
        path, overrides: see :func:`.engine.load_config`.
        folder: in COCO's layout, see :func:`sepc.data.coco_layout.coco_files`; its data sets are
            registered under its name, with ``_train`` and ``_val``, or with a number before them
            where other data have that name.
        processes: of the training.

    Returns:
        the config, and a line per derived setting that says why.

    Raises:
        FileNotFoundError: without annotation file or images of a part.
        ValueError: for malformed annotations, or see :func:`.engine.load_config`.
    """
    overridden = load_config(path, overrides)  # checks them
    names = {override.partition("=")[0].lstrip("+") for override in overrides}
    files = {split: _existing(folder, split) for split in ("train", "val")}
    content = validate_coco(*files["train"])
    base = load_config(path)
    fixed = {
        key: OmegaConf.select(overridden, key) for key in (_BATCH, _ITERATIONS) if key in names
    }
    accumulate = OmegaConf.select(overridden, _ACCUMULATE) or 1
    settings = list(_derive(base, content, fixed, processes=processes, accumulate=accumulate))
    name = Path(folder).expanduser().resolve().name
    prefix = _register(name, folder)
    places = {
        "dataloader.train.dataset.names": f"{prefix}_train",
        "dataloader.test.dataset.names": f"{prefix}_val",
        "train.output_dir": f"./output/{name}/{Path(path).stem}",
    }
    derived = {**places, **{key: value for key, value, _ in settings}}
    cfg = load_config(path, overrides, derived=derived)
    return cfg, [why for key, _, why in settings if why and key not in names]


def _register(name: str, folder: str | os.PathLike[str]) -> str:
    """Register the data sets of a folder; return what their names begin with."""
    for number in itertools.count(1):
        prefix = name if number == 1 else f"{name}_{number}"
        with contextlib.suppress(ValueError):  # other data have the name
            register_coco_folder(prefix, folder)
            break
    return prefix


def _existing(folder: str | os.PathLike[str], split: str) -> tuple[Path, Path]:
    json_file, images = coco_files(folder, split)
    if not json_file.is_file() or not images.is_dir():
        missing = images if json_file.is_file() else json_file
        raise FileNotFoundError(
            f"--data: expected annotations/instances_{split}2017.json and {split}2017/ in "
            f"{folder}, or these names without 2017; there is no {missing}"
        )
    return json_file, images


def _derive(
    cfg: DictConfig,
    content: dict[str, Any],
    fixed: dict[str, Any],
    *,
    processes: int,
    accumulate: int,
) -> Iterator[tuple[str, Any, str]]:
    """Derive key, value and reason of each setting; no reason where another line has it.

    Args:
        cfg: of the recipe for COCO.
        content: of the annotations to train on.
        fixed: batch and number of iterations where an override gives them.
        processes, accumulate: of the training.
    """
    names = [x["name"] for x in sorted(content["categories"], key=lambda x: x["id"])]
    classes = "model.num_classes" if "num_classes" in cfg.model else "model.roi_heads.num_classes"
    some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    yield classes, len(names), f"classes: {len(names)}, as the annotations have: {some}"
    yield from _image_size(cfg, content)

    recipe_batch, recipe_iterations = OmegaConf.select(cfg, _BATCH), cfg.train.max_iter
    each = max(1, min(IMAGES_PER_PROCESS, recipe_batch // processes))
    batch = fixed.get(_BATCH, each * processes)
    yield _BATCH, batch, f"batch: {batch} images, {each} per process"
    step = batch * accumulate
    power = 0.5 if "Adam" in str(cfg.optimizer._target_) else 1.0
    rate = float(f"{cfg.optimizer.lr * (step / recipe_batch) ** power:.3g}")
    rule = "the square root of the batch" if power < 1 else "the batch"
    yield (
        "optimizer.lr",
        rate,
        f"learning rate: {rate:g}, by {rule}: {cfg.optimizer.lr:g} for {recipe_batch} images, "
        f"here {step}",
    )

    images = _trained_images(cfg, content)
    recipe_images = recipe_iterations * recipe_batch
    epochs, least = recipe_images / COCO_IMAGES, min(FEWEST_IMAGES, recipe_images)
    seen = max(epochs * images, least)
    iterations = fixed.get(_ITERATIONS, math.ceil(seen / step))
    yield (
        _ITERATIONS,
        iterations,
        f"iterations: {iterations}, {iterations * step / images:.1f} epochs of {images} images: "
        f"the config's {epochs:.1f} epochs of COCO, but {least} images at least",
    )
    if warm_up := cfg.lr_multiplier.get("warmup_length"):
        steps = round(min(warm_up * recipe_iterations, iterations / 10))
        reason = f"warm-up: {steps} iterations, the config's or a tenth of the training"
        yield "lr_multiplier.warmup_length", steps / iterations, reason
    period = max(math.ceil(images / step), math.ceil(iterations / EVALUATIONS))
    reason = f"evaluation: every {period} iterations, each epoch and {EVALUATIONS} times at most"
    yield "train.eval_period", period, reason
    yield "train.checkpointer.period", period, ""


def _image_size(cfg: DictConfig, content: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Scale the edges that images are resized to, where that enlarges small ones too much."""
    resizes = [
        (f"dataloader.{loader}.mapper.augmentations.{index}", augmentation)
        for loader in ("train", "test")
        for index, augmentation in enumerate(cfg.dataloader[loader].mapper.augmentations)
        if _target(augmentation) is ResizeShortestEdge
    ]
    if not resizes or not content["images"]:
        return
    short = statistics.median(min(x["width"], x["height"]) for x in content["images"])
    edge = _edges(resizes[-1][1])[-1]  # of the evaluation
    wanted = min(edge, 32 * math.ceil(LARGEST_SCALING * short / 32))
    reason = f"image size: {wanted} pixels of the short edge, median {short:g} of the images"
    reason += f", enlarged {LARGEST_SCALING} times at most" if wanted < edge else ""
    for key, augmentation in resizes:
        edges = [round(x * wanted / edge) for x in _edges(augmentation)]
        single = isinstance(augmentation.short_edge_length, int)
        yield f"{key}.short_edge_length", edges[0] if single else edges, reason
        yield f"{key}.max_size", round(augmentation.max_size * wanted / edge), ""
        reason = ""


def _target(node: DictConfig) -> Any:
    return locate(node._target_) if isinstance(node._target_, str) else node._target_


def _edges(augmentation: DictConfig) -> list[int]:
    edges = augmentation.short_edge_length
    return [edges] if isinstance(edges, int) else list(edges)


def _trained_images(cfg: DictConfig, content: dict[str, Any]) -> int:
    """Number of images that a training sees: those with objects, where others are left out."""
    if not cfg.dataloader.train.dataset.get("filter_empty", True):
        return len(content["images"])
    objects = (x for x in content.get("annotations", ()) if not x.get("iscrowd", 0))
    return max(1, len({x["image_id"] for x in objects}))
