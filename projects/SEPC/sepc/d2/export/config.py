"""Parts of a config that an export needs: trained model, texts for the file, images to check on."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import instantiate
from detectron2.data import transforms as T
from detectron2.utils.file_io import PathManager
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from ...export import join_names
from ...export.preprocess import read_image, resize
from ..datasets import check_registered, dataset_metadata
from ..engine import Checkpointer, dataset_names, noted_metadata

RANDOM_SIZES = ((192, 256), (256, 192), (224, 224), (200, 301))
SCALES = (1.0, 0.75, 1.25, 0.6)


def load_model(cfg: DictConfig, weights: str) -> nn.Module:
    """Model of a config with trained weights, on the CPU, in eval mode.

    Raises:
        FileNotFoundError, ValueError: see :meth:`.engine.Checkpointer.load`.
    """
    return load_noted(cfg, weights)[0]


def load_noted(cfg: DictConfig, weights: str) -> tuple[nn.Module, Any]:
    """Load as :func:`load_model`, and what the checkpoint notes of its data, None if nothing."""
    model = instantiate(cfg.model).eval()
    return model, Checkpointer(model).load(weights, strict=True).get("data")


def config_metadata(cfg: DictConfig, note: Any = None) -> dict[str, str]:
    """Texts of a config: classes, order of the channels, and how images are resized.

    ``class_names`` and ``category_ids`` are there where they are known, by the checkpoint or the
    config; ``resize_short_edge`` and ``resize_max`` where the config resizes for testing.

    Args:
        cfg: a whole config.
        note: of the data, in the checkpoint; see :class:`.engine.DataNote`.
    """
    mapper = cfg.dataloader.test.mapper
    texts = {"input_format": str(mapper.image_format)}
    metadata = noted_metadata(dataset_metadata(dataset_names(cfg.dataloader.test)), note)
    if names := metadata.get("thing_classes"):
        texts["class_names"] = join_names(names)
    if by_id := metadata.get("thing_dataset_id_to_contiguous_id"):
        texts["category_ids"] = ",".join(map(str, sorted(by_id, key=by_id.__getitem__)))
    for augmentation in augmentations(cfg):
        if isinstance(augmentation, T.ResizeShortestEdge):
            texts["resize_short_edge"] = str(augmentation.short_edge_length[-1])
            texts["resize_max"] = str(augmentation.max_size)
    return texts


def augmentations(cfg: DictConfig) -> list[Any]:
    """Augmentations of the images to test on."""
    items = OmegaConf.to_container(cfg.dataloader.test.mapper.augmentations, resolve=False)
    return [instantiate(x) for x in items] if items else []


def read_images(cfg: DictConfig, files: Iterable[str]) -> list[Tensor]:
    """Image files as the config reads them for testing, (3, H, W) uint8.

    Raises:
        FileNotFoundError, ValueError: see :func:`sepc.export.preprocess.read_image`.
    """
    transforms = T.AugmentationList(augmentations(cfg))
    order = 1 if cfg.dataloader.test.mapper.image_format == "BGR" else -1
    images = []
    for file in files:
        pixels = read_image(PathManager.get_local_path(file))[..., ::order]
        given = T.AugInput(np.ascontiguousarray(pixels))
        transforms(given)
        images.append(torch.from_numpy(given.image.transpose(2, 0, 1).copy()))
    return images


def images_to_check(cfg: DictConfig, number: int = 4) -> tuple[list[Tensor], str]:
    """Images of the data set to test on with the most objects, or random ones without it.

    Returns:
        the images, (3, H, W) uint8, and a text that says what they are.
    """
    names = ", ".join(dataset_names(cfg.dataloader.test))
    try:
        check_registered(dataset_names(cfg.dataloader.test), evaluation=True)
        dicts = instantiate(cfg.dataloader.test.dataset)
        dicts = sorted(dicts, key=lambda x: -len(x.get("annotations", [])))[:number]
        return read_images(cfg, [x["file_name"] for x in dicts]), f"images of {names}"
    except FileNotFoundError:
        images = [random_image(h, w, seed=i) for i, (h, w) in enumerate(RANDOM_SIZES[:number])]
        return images, f"random images, as {names or 'the data set'} is not there"


def random_image(height: int, width: int, *, seed: int) -> Tensor:
    """Image of soft blots of color with hard edges between some, (3, H, W) uint8."""
    rng = np.random.default_rng(seed)
    blots = [rng.integers(0, 256, (cells, cells, 3), np.uint8) for cells in (4, 12)]
    soft, hard = (resize(x, (height, width)) for x in blots)
    return torch.from_numpy(np.where(hard > 150, hard, soft).transpose(2, 0, 1).copy())


def fit_sizes(
    images: Sequence[Tensor],
    image_size: tuple[int, int] | None,
    *,
    first_above: int,
    least: int,
) -> list[Tensor]:
    """Images at the size of a file; for one of any size at several, and the first as it is.

    Args:
        images: (3, H, W) uint8.
        image_size: height and width; None for any.
        first_above: both sides of the first image, which the exporter looks at, are larger.
        least: both sides of the others have as many pixels.
    """
    if image_size is not None:
        return [_resized(image, image_size) for image in images]
    fitted = []
    for i, image in enumerate(images):
        height, width = image.shape[-2:]
        enough = least if i else first_above + 1
        scale = max(SCALES[i % len(SCALES)], enough / min(height, width))
        size = (round(height * scale), round(width * scale) + (0 if i % 2 else 7))
        fitted.append(_resized(image, size))
    return fitted + [image for image in images[:1] if min(image.shape[-2:]) >= least]


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Image (3, H, W) uint8 at another size."""
    pixels = resize(image.permute(1, 2, 0).numpy(), size)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())
