"""Predictor: a trained detector on pictures as they come, with its resizing and class names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.config import instantiate
from torch import nn

from .config_files import find_config, is_cfgnode, load_cfgnode
from .datasets import dataset_metadata
from .engine import Checkpointer, dataset_names, load_config, noted_metadata
from .model_zoo import build


class Predictor:
    """Model in eval mode with the resizing and the class names of its evaluation.

    Args:
        model: takes Detectron2's list of dicts.
        augmentations: of the evaluation, such as resizing.
        input_format: "RGB" or "BGR", the order of channels that the model expects.
        metadata: Detectron2's, of the data set; its class names are filled in where they are known.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        augmentations: Sequence[T.Augmentation],
        input_format: str,
        metadata: Any,
    ) -> None:
        self.model = model.eval()
        self.augmentations = T.AugmentationList(list(augmentations))
        self.input_format = input_format
        self.metadata = metadata

    @classmethod
    def from_config(
        cls,
        config_file: str,
        *,
        weights: str = "",
        overrides: Sequence[str] = (),
        device: str | None = None,
    ) -> Predictor:
        """Load a LazyConfig file, or a YAML file of Detectron2's older kind.

        Args:
            config_file: ``.py``, or ``.yaml`` of either kind; or the name of one of the package's.
            weights: a checkpoint; empty for the one that the config names.
            overrides: ``key=value`` for a LazyConfig; ``KEY VALUE ...`` for the older kind.
            device: default the GPU if there is one.

        Raises:
            FileNotFoundError: without config or weights.
            ValueError: if the config is none, names no weights, or they don't fit.
        """
        config_file = find_config(config_file)
        if is_cfgnode(config_file):
            parts, named = _from_cfgnode(config_file, overrides)
        else:
            parts, named = _from_lazy(config_file, overrides)
        if not (weights or named):
            raise ValueError(f"{config_file} names no weights: expected --weights FILE")
        rest = Checkpointer(parts["model"]).load(weights or named, strict=True)
        parts["metadata"] = noted_metadata(parts["metadata"], rest.get("data"))
        parts["model"].to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return cls(**parts)

    def lower_score_threshold(self, threshold: float) -> None:
        """Lower the model's own threshold, so that it keeps all that scores ``threshold`` or more.

        A higher one does not change the model, some of which compare another score than the final
        one: filter what it finds.
        """
        for module in self.model.modules():
            own = getattr(module, "test_score_thresh", None)
            if isinstance(own, float) and own > threshold:
                module.test_score_thresh = threshold  # type: ignore[assignment]

    def prepare(self, image: np.ndarray) -> dict[str, Any]:
        """Input of the model for one image.

        Args:
            image: (H, W, 3), uint8, BGR.
        """
        pixels = image[:, :, ::-1] if self.input_format == "RGB" else image
        arguments = T.AugInput(np.ascontiguousarray(pixels))
        self.augmentations(arguments)
        tensor = torch.as_tensor(arguments.image.astype("float32").transpose(2, 0, 1))
        return {"image": tensor, "height": image.shape[0], "width": image.shape[1]}

    @torch.no_grad()
    def __call__(self, images: Sequence[np.ndarray]) -> list[Any]:
        """``Instances`` of each image, on the CPU, in pixels of the image given.

        Args:
            images: (H, W, 3) each, uint8, BGR.
        """
        outputs = self.model([self.prepare(image) for image in images])
        return [output["instances"].to("cpu") for output in outputs]

    def shown_to_model(self, image: np.ndarray) -> np.ndarray:
        """Image at the model's size with its padding, RGB: the area that the feature maps cover."""
        pixels = self.prepare(image)["image"].numpy().transpose(1, 2, 0).astype(np.uint8)
        pixels = pixels if self.input_format == "RGB" else pixels[:, :, ::-1]
        divisor = max(1, getattr(getattr(self.model, "backbone", None), "size_divisibility", 1))
        bottom, right = (-side % divisor for side in pixels.shape[:2])
        return np.pad(pixels, ((0, bottom), (0, right), (0, 0)), constant_values=128)

    @property
    def class_names(self) -> list[str] | None:
        """K names, None if unknown."""
        return list(self.metadata.get("thing_classes", [])) or None

    @property
    def category_ids(self) -> list[int] | None:
        """Category id of each class in the data set's annotations, None if unknown."""
        by_id = self.metadata.get("thing_dataset_id_to_contiguous_id", {})
        return sorted(by_id, key=by_id.__getitem__) or None


def _from_lazy(path: str, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    cfg = load_config(path, overrides)
    names = dataset_names(cfg.dataloader.test)
    parts = dict(
        model=instantiate(cfg.model),
        augmentations=[instantiate(each) for each in cfg.dataloader.test.mapper.augmentations],
        input_format=cfg.model.get("input_format") or cfg.dataloader.test.mapper.image_format,
        metadata=dataset_metadata(names),
    )
    return parts, str(cfg.train.init_checkpoint or "")


def _from_cfgnode(path: str, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    cfg = load_cfgnode(path, overrides)
    try:
        model = build(cfg)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    sides = [cfg.INPUT.MIN_SIZE_TEST] * 2
    parts = dict(
        model=model,
        augmentations=[T.ResizeShortestEdge(sides, cfg.INPUT.MAX_SIZE_TEST)],
        input_format=cfg.INPUT.FORMAT,
        metadata=dataset_metadata(list(cfg.DATASETS.TEST)),
    )
    return parts, str(cfg.MODEL.WEIGHTS)
