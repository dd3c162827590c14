"""Localization recall precision error, and the score threshold of each class that makes it least.

Source: https://arxiv.org/abs/2011.10772, Eq. 3 and Sec 4.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .matches import ClassMatches


class LRP(NamedTuple):
    """Error of a class and its parts, each in [0, 1]; NaN where there is nothing to measure.

    Attributes:
        error: (sum of (1 - IoU) / (1 - tau) + false positives + misses) / all three numbers.
        localization: mean 1 - IoU of what is found.
        false_positives: share of the detections.
        misses: share of the objects.
    """

    error: float
    localization: float
    false_positives: float
    misses: float


def lrp(matches: ClassMatches, *, iou: float) -> LRP:
    """Error of a class, all NaN without objects and 1 without detections.

    Args:
        iou: tau, the least overlap at which ``matches`` was made.
    """
    found, wrong = int(matches.hits.sum()), int((~matches.hits).sum())
    if not matches.num_truths:
        return LRP(*[float("nan")] * 4)
    distance = float((1 - matches.ious[matches.hits]).sum())
    missed = matches.num_truths - found
    return LRP(
        (distance / (1 - iou) + wrong + missed) / (matches.num_truths + wrong),
        distance / found if found else float("nan"),
        wrong / (found + wrong) if found + wrong else float("nan"),
        missed / matches.num_truths,
    )


def optimal_threshold(matches: ClassMatches, *, iou: float) -> float:
    """Least LRP's score threshold, the highest one among equals.

    Detections of one score come or go together. Unlike the authors' code, which may stop between
    them at an error that no threshold has.

    Returns:
        0, which keeps everything, for a class without a match.
    """
    if not matches.hits.any():
        return 0.0
    wrong = np.cumsum(~matches.hits)
    found = np.cumsum(matches.hits)
    distance = np.cumsum(np.where(matches.hits, 1 - matches.ious, 0.0)) / (1 - iou)
    errors = (distance + wrong + matches.num_truths - found) / (matches.num_truths + wrong)
    last_of_score = np.append(matches.scores[1:] != matches.scores[:-1], True)
    return float(matches.scores[last_of_score][np.argmin(errors[last_of_score])])
