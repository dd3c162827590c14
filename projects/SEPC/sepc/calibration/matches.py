"""Detections of each class with the IoU of the object that each has found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.coco import check_results, match_boxes

#: least IoU of a match that has any overlap. Unlike the authors' code, whose least IoU of 0 lets a
#: detection take an object that it does not touch.
ANY_OVERLAP = 1e-12


@dataclass(frozen=True)
class ClassMatches:
    """D detections of a class over a data set, by falling score; those in crowds are left out.

    Attributes:
        scores: (D,).
        ious: (D,), with the object that it has found, 0 for a false positive.
        hits: (D,), whether it has found one.
        num_truths: objects of the class; 0 where there is nothing to measure.
    """

    scores: np.ndarray
    ious: np.ndarray
    hits: np.ndarray
    num_truths: int

    def above(self, threshold: float) -> ClassMatches:
        """Matches of the detections that score ``threshold`` or more."""
        kept = self.scores >= threshold
        return ClassMatches(self.scores[kept], self.ious[kept], self.hits[kept], self.num_truths)


def match_classes(
    content: dict[str, Any], results: Sequence[dict[str, Any]], *, iou: float = ANY_OVERLAP
) -> dict[int, ClassMatches]:
    """Match as COCO's evaluation does: the 100 best per image and class, the best first.

    Args:
        content: of COCO's instance annotations.
        results: in COCO's results format.
        iou: tau, the least overlap of a match; see :data:`ANY_OVERLAP`.

    Returns:
        by category id, in the order of ids; among equal scores by image id, then as given.

    Raises:
        ValueError: for a result of an image or category that the annotations don't have.
    """
    check_results(content, results)
    truths = {i: a for i, a in enumerate(content.get("annotations", []), start=1)}
    found = {i: result for i, result in enumerate(results, start=1)}
    evaluation = match_boxes(content, truths, found, ious=[iou])
    parts: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = defaultdict(list)
    num_truths: dict[int, int] = defaultdict(int)
    for cell in evaluation.evalImgs:
        if cell is None:
            continue
        category = cell["category_id"]
        num_truths[category] += int(np.count_nonzero(np.asarray(cell["gtIgnore"]) == 0))
        counts = ~np.asarray(cell["dtIgnore"][0], dtype=bool)
        matched = np.asarray(cell["dtMatches"][0]).astype(int)
        key = cell["image_id"], category
        places = {truth["id"]: place for place, truth in enumerate(evaluation._gts[key])}
        overlaps = [
            evaluation.ious[key][row, places[number]] if number else 0.0
            for row, number in enumerate(matched)
        ]
        scores = np.asarray(cell["dtScores"], dtype=float)
        parts[category].append((scores[counts], np.array(overlaps)[counts], matched[counts] > 0))
    return {
        category: _by_score(parts[category], num_truths[category])
        for category in sorted(entry["id"] for entry in content["categories"])
    }


def _by_score(
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], num_truths: int
) -> ClassMatches:
    scores, ious, hits = (
        np.concatenate([part[i] for part in parts]) if parts else np.zeros(0) for i in range(3)
    )
    order = np.argsort(-scores, kind="stable")
    return ClassMatches(scores[order], ious[order], hits[order].astype(bool), num_truths)
