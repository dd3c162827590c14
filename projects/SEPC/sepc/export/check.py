"""Whether an exported detector finds what the original one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


class ExportError(RuntimeError):
    """A detector could not be exported, or the file does not do what the detector does."""


@dataclass(frozen=True)
class Agreement:
    """How close the detections of two runs are.

    Args:
        detections: how many there are in both.
        box_error: largest difference of a coordinate, in pixels.
        score_error: largest difference of a score.
    """

    detections: int
    box_error: float
    score_error: float

    def __str__(self) -> str:
        return (
            f"{self.detections} detections, the same classes, boxes within {self.box_error:.1g} "
            f"pixels, scores within {self.score_error:.1g}"
        )


def compare_detections(
    expected: Sequence[Tensor],
    actual: Sequence[Tensor],
    *,
    box_tolerance: float = 0.01,
    score_tolerance: float = 1e-4,
) -> Agreement:
    """Pair the detections of two runs over one image; those with equal scores may change places.

    Args:
        expected, actual: boxes (D, 4), scores (D,) and classes (D,).
        box_tolerance: in pixels.

    Raises:
        ExportError: if the numbers of detections differ or one has no partner within the
            tolerances.
    """
    boxes, scores, classes = expected
    other_boxes, other_scores, other_classes = actual
    if len(scores) != len(other_scores):
        raise ExportError(f"expected {len(scores)} detections, got {len(other_scores)}")
    free = torch.ones(len(scores), dtype=torch.bool)
    box_error = score_error = 0.0
    for i in range(len(scores)):
        box_errors = (other_boxes - boxes[i]).abs().amax(dim=1)
        score_errors = (other_scores - scores[i]).abs()
        fits = free & (other_classes == classes[i])
        fits &= (box_errors <= box_tolerance) & (score_errors <= score_tolerance)
        if not fits.any():
            raise ExportError(
                f"detection {i} (class {int(classes[i])}, score {scores[i]:.6f}, box "
                f"{[round(x, 3) for x in boxes[i].tolist()]}) has no partner within "
                f"{box_tolerance} pixels and {score_tolerance} of the score"
            )
        partner = int(fits.int().argmax())
        free[partner] = False
        box_error = max(box_error, float(box_errors[partner]))
        score_error = max(score_error, float(score_errors[partner]))
    return Agreement(len(scores), box_error, score_error)
