"""Comparison of an exported detector with the original one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: One image (3, H, W) to boxes (D, 4), scores (D,), classes (D,) and perhaps masks (D, 1, h, w).
Detect = Callable[[Tensor], Sequence[Tensor]]


class ExportError(RuntimeError):
    """Error: a detector can't be exported, or the file does not find what the detector does."""


def import_package(name: str, extra: str = "export") -> Any:
    """Import a module of a package that only the export needs; ExportError if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(
            f"this export needs the package {error.name}: pip install 'sepc[{extra}]'"
        ) from error


@dataclass(frozen=True)
class Agreement:
    """Agreement of the detections of two runs.

    Args:
        detections: how many there are in both.
        box_error: largest difference of a coordinate, in pixels.
        score_error: largest difference of a score.
        images: in how many images they are.
    """

    detections: int
    box_error: float
    score_error: float
    images: int = 1

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.detections + other.detections,
            max(self.box_error, other.box_error),
            max(self.score_error, other.score_error),
            self.images + other.images,
        )

    def __str__(self) -> str:
        where = f" in {self.images} images" if self.images != 1 else ""
        return (
            f"{self.detections} detections{where}, the same classes, boxes within "
            f"{self.box_error:.1g} pixels, scores within {self.score_error:.1g}"
        )


def compare_detections(
    expected: Sequence[Tensor],
    actual: Sequence[Tensor],
    *,
    box_tolerance: float = 0.01,
    score_tolerance: float = 1e-4,
    mask_tolerance: float = 1e-3,
    cutoff: float | None = None,
) -> Agreement:
    """Pair the detections of two runs over one image; those with equal scores may change places.

    Args:
        expected, actual: boxes (D, 4), scores (D,), classes (D,) and perhaps masks (D, 1, h, w).
        box_tolerance: in pixels.
        cutoff: a score below which nothing is found. What is within the tolerance of it may be
            found in one run alone; None: no detection may.

    Raises:
        ExportError: if a detection has no partner within the tolerances.
    """

    def at_cutoff(score: Tensor) -> bool:
        return cutoff is not None and abs(float(score) - cutoff) <= score_tolerance

    free = torch.ones(len(actual[1]), dtype=torch.bool)
    missing, pairs = [], []
    for i in range(len(expected[1])):
        box_errors = (actual[0] - expected[0][i]).abs().amax(dim=1)
        score_errors = (actual[1] - expected[1][i]).abs()
        fits = free & (actual[2] == expected[2][i])
        fits &= (box_errors <= box_tolerance) & (score_errors <= score_tolerance)
        if len(expected) > 3:
            fits &= (actual[3] - expected[3][i]).abs().flatten(1).amax(dim=1) <= mask_tolerance
        if fits.any():
            partner = int(fits.int().argmax())
            free[partner] = False
            pairs.append((float(box_errors[partner]), float(score_errors[partner])))
        elif not at_cutoff(expected[1][i]):
            missing.append(i)
    left = torch.nonzero(free).flatten().tolist()
    extra = [i for i in left if not at_cutoff(actual[1][i])]
    if missing or extra:
        raise ExportError(
            f"{_count(expected, actual)}"
            f"{_named(expected, missing[0], 'detection') if missing else ''}"
            f"{_named(actual, extra[0], 'additional detection') if extra and not missing else ''}"
            f" has no partner within {box_tolerance} pixels and {score_tolerance} of the score"
        )
    return Agreement(
        len(pairs), max((b for b, _ in pairs), default=0.0), max((s for _, s in pairs), default=0.0)
    )


def check_detections(
    detect: Callable[[Tensor], Sequence[Sequence[Tensor]]],
    reference: Detect,
    batches: Iterable[Tensor],
    *,
    threshold: float | None = None,
    max_detections: int | None = None,
) -> Agreement:
    """Compare two detectors over several images.

    Args:
        detect: the one to check, from a batch to the detections of each image.
        reference: the one that is right.
        batches: each (N, 3, H, W).
        threshold: of the score, that both drop detections at.
        max_detections: how many of an image both keep at most.

    Raises:
        ExportError: see :func:`compare_detections`; names the size of the image.
    """
    total = Agreement(0, 0.0, 0.0, images=0)
    for images in batches:
        for image, found in zip(images, detect(images), strict=True):
            with torch.no_grad():
                expected = [x.cpu() for x in reference(image)]
            cutoff = threshold
            if max_detections is not None and len(expected[1]) == max_detections:
                cutoff = float(expected[1].min())
            try:
                total += compare_detections(expected, found, cutoff=cutoff)
            except ExportError as error:
                size = f"{image.shape[1]} x {image.shape[2]}"
                raise ExportError(f"in an image of {size} pixels: {error}") from error
    return total


def _count(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> str:
    if len(expected[1]) == len(actual[1]):
        return ""
    return f"expected {len(expected[1])} detections, got {len(actual[1])}: "


def _named(detections: Sequence[Tensor], i: int, name: str) -> str:
    boxes, scores, classes = detections[:3]
    return (
        f"{name} {i} (class {int(classes[i])}, score {scores[i]:.6f}, "
        f"box {[round(x, 3) for x in boxes[i].tolist()]})"
    )
