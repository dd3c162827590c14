"""Which classes a detector takes for which."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..evaluation.coco import match_boxes
from .matching import ImageMatches


class Confusion(NamedTuple):
    """Confusion matrix of the classes, and background as the last row and column.

    Attributes:
        classes: K indices of classes, the rows and columns in their order.
        pooled: number of other classes, which share the row and column after those; 0 without them.
        counts: (K + 1, K + 1), with pooled classes (K + 2, K + 2): rows are what objects are,
            columns as what they were detected. The last column counts missed objects, the last row
            detections of no object.
    """

    classes: list[int]
    pooled: int
    counts: np.ndarray


def confusion_matrix(matches: Sequence[ImageMatches], category_ids: Sequence[int]) -> Confusion:
    """Count what objects were taken for.

    What COCO's evaluation matches within a class is on the diagonal, so that it agrees with AP;
    crowds and what is detected in them do not count. The detections and objects left are matched
    by the same rule whatever their classes, the best score first.

    Args:
        matches: of :func:`.match_detections`.
        category_ids: of all classes, in the order of their indices.
    """
    place = {category: index for index, category in enumerate(category_ids)}
    background = len(place)
    counts = np.zeros((background + 1, background + 1), dtype=int)
    for each in matches:
        for box in each.found:
            counts[place[box["category_id"]], place[box["category_id"]]] += 1
        for box in each.missed:
            counts[place[box["category_id"]], background] += 1
        for box in each.wrong:
            counts[background, place[box["category_id"]]] += 1
    for truth, taken_for in _confused(matches, category_ids):
        row, column = place[truth], place[taken_for]
        counts[row, column] += 1
        counts[row, background] -= 1
        counts[background, column] -= 1
    return Confusion(list(range(background)), 0, counts)


def most_confused(confusion: Confusion, limit: int) -> Confusion:
    """Keep the classes that are most often taken for others or others for them.

    Args:
        confusion: of all classes.
        limit: classes to keep; the others are pooled into one.

    Returns:
        itself where it has no more classes than that.
    """
    number = len(confusion.classes)
    if number <= limit:
        return confusion
    mistaken = confusion.counts[:number, :number] * (1 - np.eye(number, dtype=int))
    amount = mistaken.sum(axis=0) + mistaken.sum(axis=1)
    kept = sorted(np.argsort(-amount, kind="stable")[:limit].tolist())
    to = np.full(number + 1, limit)
    to[kept] = np.arange(limit)
    to[number] = limit + 1
    counts = np.zeros((limit + 2, limit + 2), dtype=int)
    np.add.at(counts, (to[:, None], to[None, :]), confusion.counts)
    return Confusion(kept, number - limit, counts)


def _confused(
    matches: Sequence[ImageMatches], category_ids: Sequence[int]
) -> list[tuple[int, int]]:
    """Category ids of an object and of the detection that took it for something else, in pairs."""
    both = [each for each in matches if each.missed and each.wrong]
    truths = dict(enumerate((box for each in both for box in each.missed), start=1))
    found = dict(enumerate((box for each in both for box in each.wrong), start=1))
    content = {
        "images": [each.image for each in both],
        "categories": [{"id": category} for category in category_ids],
    }
    cells = match_boxes(content, truths, found, ious=[0.5], by_class=False).evalImgs
    return [
        (truths[int(truth)]["category_id"], found[number]["category_id"])
        for cell in cells
        if cell is not None
        for number, truth in zip(cell["dtIds"], cell["dtMatches"][0], strict=True)
        if truth
    ]
