"""Calibration errors of a detector: how far scores are from what is found.

Sources: LaECE and LaACE, https://arxiv.org/abs/2405.20459, Sec 4; D-ECE,
https://arxiv.org/abs/2004.13546.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .matches import ClassMatches


class Bins(NamedTuple):
    """J bins of scores, (lower, upper], the first with 0; NaN in bins without detections.

    Attributes:
        share: (J,), of all detections, which sums to 1.
        score: (J,), the mean.
        target: (J,), the mean of what the scores are to tell.
    """

    share: np.ndarray
    score: np.ndarray
    target: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of score and target over the detections."""
        return float(np.nansum(self.share * np.abs(self.score - self.target)))


def score_bins(scores: np.ndarray, targets: np.ndarray, number: int) -> Bins:
    """Put D detections with a score in [0, 1] into ``number`` bins of the same width."""
    edges = np.linspace(0, 1, number + 1)
    place = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, number - 1)
    counts = np.bincount(place, minlength=number)
    with np.errstate(invalid="ignore"):
        score = np.bincount(place, scores, minlength=number) / counts
        target = np.bincount(place, targets, minlength=number) / counts
    return Bins(counts / max(len(scores), 1), score, target)


def laece(matches: ClassMatches, *, bins: int = 25) -> float:
    """Localization-aware expected calibration error of a class: scores beside mean IoU, in bins.

    NaN for a class without objects or without detections.
    """
    if not _measurable(matches):
        return float("nan")
    return score_bins(matches.scores, matches.ious, bins).error


def laace(matches: ClassMatches) -> float:
    """Localization-aware adaptive calibration error of a class: each detection is its own bin.

    NaN for a class without objects or without detections. Unlike the authors' code, detections
    in crowds do not count.
    """
    return float(np.abs(matches.scores - matches.ious).mean()) if _measurable(matches) else np.nan


def dece(matches: Iterable[ClassMatches], *, bins: int = 10) -> float:
    """Detection expected calibration error: scores beside precision, all classes together.

    Classes without objects are left out. It is meant for matches at an IoU of 0.5.
    """
    return detection_bins(matches, "hits", bins).error


def detection_bins(matches: Iterable[ClassMatches], target: str, number: int) -> Bins:
    """Bins of all classes that have objects together; ``target`` is "ious" or "hits"."""
    measured = [each for each in matches if each.num_truths]
    scores = np.concatenate([each.scores for each in measured] or [np.zeros(0)])
    targets = np.concatenate([getattr(each, target) for each in measured] or [np.zeros(0)])
    return score_bins(scores, targets.astype(float), number)


def _measurable(matches: ClassMatches) -> bool:
    return matches.num_truths > 0 and len(matches.scores) > 0
