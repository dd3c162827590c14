"""AP-Pool: one precision-recall curve of all classes (https://arxiv.org/abs/2102.01066, Sec 5).

AP ranks the detections of a class among themselves, so that it never sees whether a score of one
class means what it means in another. AP-Pool ranks them all together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

RECALLS = np.linspace(0.0, 1.0, 101)


class MatchedImage(NamedTuple):
    """Matches of one image and class at T overlaps, for D detections.

    Attributes:
        image_id, category_id: whose.
        scores: (D,).
        hits: (T, D), whether it matches an object.
        ignored: (T, D), whether it counts neither as right nor as wrong.
        num_truths: objects to find.
    """

    image_id: int
    category_id: int
    scores: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    num_truths: int


def from_coco(cells: Iterable[Mapping[str, Any] | None]) -> list[MatchedImage]:
    """Matches from ``evalImgs`` of COCO's evaluation over objects of all sizes."""
    return [
        MatchedImage(
            cell["image_id"],
            cell["category_id"],
            np.asarray(cell["dtScores"], dtype=float),
            np.asarray(cell["dtMatches"]) > 0,
            np.asarray(cell["dtIgnore"], dtype=bool),
            int(np.count_nonzero(np.asarray(cell["gtIgnore"]) == 0)),
        )
        for cell in cells
        if cell is not None
    ]


def pooled_ap(matches: Sequence[MatchedImage]) -> np.ndarray:
    """AP-Pool at each overlap, in [0, 1]; the mean over COCO's overlaps is AP-Pool.

    Detections of classes without an object in the data are false positives here, which the mean
    over classes leaves out. Among equal scores those of the earlier image, then class, come first.

    Returns:
        (T,); NaN without objects.
    """
    ordered = sorted(matches, key=lambda cell: (cell.image_id, cell.category_id))
    num_truths = sum(cell.num_truths for cell in ordered)
    if not num_truths:
        return np.full(len(ordered[0].hits) if ordered else 1, np.nan)
    order = np.argsort(-np.concatenate([cell.scores for cell in ordered]), kind="stable")
    hits = np.concatenate([cell.hits for cell in ordered], axis=1)[:, order]
    ignored = np.concatenate([cell.ignored for cell in ordered], axis=1)[:, order]
    right = np.cumsum(hits & ~ignored, axis=1)
    wrong = np.cumsum(~hits & ~ignored, axis=1)
    return np.array([_area(r, w, num_truths) for r, w in zip(right, wrong, strict=True)])


def _area(right: np.ndarray, wrong: np.ndarray, num_truths: int) -> float:
    """Mean precision at COCO's 101 recalls: the best at this recall or a higher one."""
    precision = right / np.maximum(right + wrong, 1)
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(best[np.searchsorted(right / num_truths, RECALLS)].mean())
