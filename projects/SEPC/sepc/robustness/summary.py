"""Mean performance under corruption (https://arxiv.org/abs/1907.07484, Sec 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .corruptions import CORRUPTIONS

#: value by corruption and severity
Grid = Mapping[str, Mapping[int, float]]


class Robustness(NamedTuple):
    """Performance of a detector; NaN where nothing can be measured.

    Attributes:
        clean: P, on images as they are.
        corrupted: mPC, the mean over corruptions and severities.
        relative: rPC, mPC / P.
    """

    clean: float
    corrupted: float
    relative: float


def summarize(clean: float, grid: Grid, names: Iterable[str] = CORRUPTIONS) -> Robustness:
    """Summarize one metric over all corruptions and severities that were evaluated.

    Unlike mmdetection's tool, corruptions are known by their names and not by their places, a
    severity that was not evaluated does not count as 0, and a metric without objects, which COCO
    gives as -1, is not a number instead of a perfect ratio.

    Args:
        clean: the metric on images as they are.
        grid: the metric on corrupted ones.
        names: the corruptions that count, default the 15.
    """
    clean = _mean([clean])
    if math.isnan(clean):  # no objects: where nothing is found, an evaluation says 0 of them
        return Robustness(clean, clean, clean)
    corrupted = _mean([value for name in names for value in grid.get(name, {}).values()])
    return Robustness(clean, corrupted, corrupted / clean if clean > 0 else math.nan)


def _mean(values: list[float]) -> float:
    known = [value for value in values if value >= 0]  # neither -1 nor NaN
    return sum(known) / len(known) if known else math.nan
