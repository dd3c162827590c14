"""How much of its pyramid a detector uses on a data set: which levels learn the objects.

Deformation, and the terms from the finer and the coarser level, can help where objects are decided
above the finest level, on maps of several cells, and span several cells there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import ImageList, Instances
from torch import Tensor

from .detectors.base import PyramidDetector

#: Bounds of :meth:`PyramidUsage.warnings`: COCO's geometry lies well within them.
MIN_SHARE_ABOVE = 0.25
MIN_CELLS = 3.0
MIN_COARSEST = 3


@dataclass(frozen=True)
class PyramidUsage:
    """Use of the levels by the training of a detector; arrays (L,), fine to coarse.

    An object is decided at the level with most of its positives, of several the finest.

    Attributes:
        names: of the levels.
        strides: in pixels.
        positives: positive anchors.
        objects: objects that are decided there.
        cells: mean number of cells that these span, the root of their area over the stride; nan
            where there are none.
        num_objects: objects of the images, those without a positive among them.
        num_images: images.
        coarsest_side: shorter side of the smallest of the coarsest maps, in cells.
    """

    names: list[str]
    strides: np.ndarray
    positives: np.ndarray
    objects: np.ndarray
    cells: np.ndarray
    num_objects: int
    num_images: int
    coarsest_side: int

    @property
    def share_above(self) -> float:
        """Share of the decided objects that are decided above the finest level."""
        return float(self.objects[1:].sum() / max(self.objects.sum(), 1))

    @property
    def mean_cells(self) -> float:
        """Cells that an object spans at its level, the mean over all decided ones."""
        decided = self.objects > 0
        return float((self.cells * self.objects)[decided].sum() / max(self.objects.sum(), 1))

    def warnings(self) -> list[str]:
        """What keeps SEPC from helping, and what to change; empty where nothing does."""
        found = []
        if self.share_above < MIN_SHARE_ABOVE:
            found.append(
                f"only {self.share_above:.0%} of the objects are decided above the finest level "
                f"({self.names[0]}), where deformation acts: train on larger images, or give the "
                "levels smaller strides or smaller anchors (FCOS: a smaller model.max_distance)"
            )
        if self.mean_cells < MIN_CELLS:
            found.append(
                f"an object spans {self.mean_cells:.1f} cells at its level, which leaves nothing "
                "to deform onto: use larger anchors on finer levels, or train on larger images"
            )
        if self.coarsest_side < MIN_COARSEST:
            found.append(
                f"the coarsest map ({self.names[-1]}) is {self.coarsest_side} cell(s) wide, less "
                "than a kernel: train on larger images, or leave the coarsest levels out"
            )
        return found

    def table(self) -> str:
        """Table of the levels, and a line on the objects."""
        columns = [self.names, [str(s) for s in self.strides]]
        columns += [
            [f"{x:.0%}" for x in y / max(y.sum(), 1)] for y in (self.positives, self.objects)
        ]
        columns.append(["-" if np.isnan(x) else f"{x:.1f}" for x in self.cells])
        heads = ["level", "stride", "positives", "objects", "cells per object"]
        rows = [heads, *map(list, zip(*columns, strict=True))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        lost = self.num_objects - int(self.objects.sum())
        lines += [
            "",
            f"{self.num_objects} objects of {self.num_images} images, {lost} without a positive",
            f"positives per object: {self.positives.sum() / max(self.num_objects, 1):.1f}",
            f"decided above the finest level: {self.share_above:.0%} of the objects",
            f"coarsest map: {self.coarsest_side} cells on its shorter side",
        ]
        return "\n".join(lines)


def measure_usage(model: PyramidDetector, inputs: Iterable[dict[str, Any]]) -> PyramidUsage:
    """Ask the assigner of a detector which levels learn the objects of images.

    Args:
        model: on a CPU; is left on the meta device unless its assigner needs predictions.
        inputs: images with ``instances`` as the training gets them, one by one.

    Raises:
        ValueError: for another kind of model, or without any object.
    """
    sides, counts, coarsest = [], [], []
    for gt, positives, shorter_side in count_positives(model, inputs):
        sides.append(gt.gt_boxes.area().sqrt())
        counts.append(positives)
        coarsest.append(shorter_side)
    if not any(map(len, counts)):
        raise ValueError(f"expected images with objects, got none in {len(coarsest)} image(s)")
    per_object, side = torch.cat(counts).numpy(), torch.cat(sides).numpy()
    shapes = model.backbone.output_shape()
    strides = np.array([shapes[name].stride for name in model.head_in_features])
    decided = per_object.sum(axis=1) > 0
    level = per_object.argmax(axis=1)[decided]
    objects = np.bincount(level, minlength=len(strides))
    total_cells = np.bincount(level, side[decided] / strides[level], minlength=len(strides))
    with np.errstate(invalid="ignore"):
        cells = total_cells / objects
    return PyramidUsage(
        names=[name.upper() for name in model.head_in_features],
        strides=strides,
        positives=per_object.sum(axis=0),
        objects=objects,
        cells=cells,
        num_objects=len(side),
        num_images=len(coarsest),
        coarsest_side=min(coarsest),
    )


@torch.no_grad()
def count_positives(
    model: PyramidDetector, inputs: Iterable[dict[str, Any]]
) -> Iterator[tuple[Instances, Tensor, int]]:
    """Count the positives of each object on each level, image by image.

    Args:
        model, inputs: see :func:`measure_usage`.

    Yields:
        the objects of an image, their positives (M, L), and the shorter side of the image's
        coarsest map in cells.

    Raises:
        ValueError: for another kind of model.
    """
    if not isinstance(model, PyramidDetector):
        raise ValueError(
            "expected a one-stage detector of sepc.d2.detectors, whose assigner can be asked, "
            f"got {type(model).__name__}"
        )
    predict = _Predictions(model)
    for x in inputs:
        gt = x["instances"]
        predictions = predict(x["image"])
        table = torch.zeros(len(gt), len(model.head_in_features), dtype=torch.long)
        if len(gt):
            found = model.positives(predictions, gt.image_size, gt)
            table.index_put_((found.gt, found.levels), torch.tensor(1), accumulate=True)
        yield gt, table, min(predictions[0][-1].shape[-2:])


class _Predictions:
    """What the head says of an image; where the values do not count, maps of its sizes alone."""

    def __init__(self, model: PyramidDetector) -> None:
        self.model = model.eval()
        self.known: dict[tuple[int, ...], list[list[Tensor]]] = {}
        if not model.assigns_by_loss:
            model.backbone.to("meta")
            model.head.to("meta")

    def __call__(self, image: Tensor) -> list[list[Tensor]]:
        model = self.model
        normalized = (image.to(model.pixel_mean) - model.pixel_mean) / model.pixel_std
        batch = ImageList.from_tensors([normalized], model.backbone.size_divisibility).tensor
        if model.assigns_by_loss:
            return self._forward(batch)
        if batch.shape not in self.known:
            self.known[batch.shape] = [
                [torch.empty(1, 1, *x.shape[-2:]) for x in maps]
                for maps in self._forward(batch.to("meta"))
            ]
        return self.known[batch.shape]

    def _forward(self, batch: Tensor) -> list[list[Tensor]]:
        features = self.model.backbone(batch)
        return self.model.head([features[name] for name in self.model.head_in_features])
