"""Detections of a training matched with its objects, for the sections of the report."""

from typing import Any, NamedTuple

from ..score_threshold import SHOWN_SCORE
from ..visualize.matching import ImageMatches, match_detections
from .run import Run


class Outcomes(NamedTuple):
    """Matches at the score threshold.

    Attributes:
        content: of the annotations.
        results: all detections, in COCO's results format; those of a calibration have passed its
            thresholds.
        matches: of those that reach the score threshold, the worst images first.
        least: the threshold; 0 with a calibration.
        above: the same in words.
    """

    content: dict[str, Any]
    results: list[dict[str, Any]]
    matches: list[ImageMatches]
    least: float
    above: str

    @property
    def names(self) -> dict[int, str]:
        """Names of the categories by their ids, in the order of the classes."""
        pairs = ((category["id"], category["name"]) for category in self.content["categories"])
        return dict(sorted(pairs))


def read_outcomes(run: Run) -> Outcomes:
    """Match at :data:`~sepc.score_threshold.SHOWN_SCORE`, or above those of a calibration.

    Raises:
        ValueError, FileNotFoundError: without data or results, or if they don't fit.
    """
    content, results = run.load_annotations(), run.load_results()
    least, above = SHOWN_SCORE, f"at a score of {SHOWN_SCORE:g} or more"
    if run.calibration is not None:
        least, above = 0.0, "above the score thresholds of the calibration"
    matches = match_detections(content, results, score_thresh=least)
    return Outcomes(content, results, matches, least, above)
