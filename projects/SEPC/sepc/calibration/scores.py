"""Calibration of a detector's scores: thresholds and calibrators per class, as a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..files import atomic_write
from .calibrators import Calibrator, Identity, fit_calibrator, from_dict, to_dict
from .lrp import optimal_threshold
from .matches import ANY_OVERLAP, ClassMatches, match_classes

FORMAT = "score calibration of sepc"


@dataclass(frozen=True)
class ClassCalibration:
    """Calibration of one class.

    Attributes:
        threshold: least score of what is kept.
        calibrator: from kept scores to calibrated ones.
        calibrated_threshold: least calibrated score of what is kept.
    """

    threshold: float = 0.0
    calibrator: Calibrator = field(default_factory=Identity)
    calibrated_threshold: float = 0.0

    def keep(self, scores: np.ndarray) -> np.ndarray:
        """Which scores pass both thresholds, as an array of booleans."""
        passes = self.calibrator(scores) >= self.calibrated_threshold
        return (np.asarray(scores) >= self.threshold) & passes


@dataclass(frozen=True)
class ScoreCalibration:
    """Calibration of a detector, by category id; a class that it does not have stays as it is.

    Attributes:
        kind: of the calibrators, "identity" for thresholds alone.
        classes: by category id.
    """

    kind: str
    classes: Mapping[int, ClassCalibration]

    def __call__(
        self, scores: np.ndarray, categories: Sequence[int] | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated scores (D,) of D detections, and which of them pass the thresholds."""
        scores = np.asarray(scores, dtype=float)
        calibrated, kept = scores.copy(), np.ones(len(scores), dtype=bool)
        of_class = np.asarray(categories)
        for category in set(np.unique(of_class).tolist()) & set(self.classes):
            here, its = of_class == category, self.classes[category]
            calibrated[here], kept[here] = its.calibrator(scores[here]), its.keep(scores[here])
        return calibrated, kept

    @property
    def least_score(self) -> float:
        """Lowest threshold of a class: what a detector has to keep for this calibration."""
        return min((its.threshold for its in self.classes.values()), default=0.0)

    def apply(
        self, results: Sequence[dict[str, Any]], *, thresholds: bool = True
    ) -> list[dict[str, Any]]:
        """Results in COCO's format with calibrated scores.

        Args:
            thresholds: leave out what does not pass them.
        """
        scores, kept = self(
            np.array([result["score"] for result in results]),
            [result["category_id"] for result in results],
        )
        return [
            {**result, "score": float(score)}
            for result, score, keep in zip(results, scores, kept, strict=True)
            if keep or not thresholds
        ]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON."""
        entries = [
            {
                "category_id": category,
                "threshold": its.threshold,
                "parameters": to_dict(its.calibrator),
                "calibrated_threshold": its.calibrated_threshold,
            }
            for category, its in self.classes.items()
        ]
        with atomic_write(path) as partial:
            content = {"format": FORMAT, "calibrator": self.kind, "classes": entries}
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: str | os.PathLike[str]) -> ScoreCalibration:
        """Read a file of :meth:`save`.

        Raises:
            ValueError: for another file.
            OSError: if it can't be read.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}")
            classes = {
                int(entry["category_id"]): ClassCalibration(
                    float(entry["threshold"]),
                    from_dict(content["calibrator"], entry["parameters"]),
                    float(entry["calibrated_threshold"]),
                )
                for entry in content["classes"]
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a file of tools/calibrate_scores.py, got {error!r}"
            ) from error
        return ScoreCalibration(content["calibrator"], classes)


def fit_thresholds(
    content: dict[str, Any], results: Sequence[dict[str, Any]], *, iou: float = ANY_OVERLAP
) -> ScoreCalibration:
    """Score thresholds of least LRP, with scores as they are; arguments as :func:`fit`."""
    matches = match_classes(content, results, iou=iou)
    thresholds = _per_class(matches, lambda each: optimal_threshold(each, iou=iou))
    return ScoreCalibration("identity", {k: ClassCalibration(t) for k, t in thresholds.items()})


def fit(
    content: dict[str, Any],
    results: Sequence[dict[str, Any]],
    kind: str,
    *,
    iou: float = ANY_OVERLAP,
    thresholds: ScoreCalibration | None = None,
) -> ScoreCalibration:
    """Fit thresholds and calibrators per class (https://arxiv.org/abs/2405.20459, Sec 5).

    A class is cut off where its LRP is least; a calibrator is fitted from the scores that are left
    to the IoU of what they find, 0 for false positives; the calibrated ones are cut off once more.

    Args:
        content: of COCO's instance annotations.
        results: in COCO's results format, of images that the detector was not trained on.
        kind: of :data:`.calibrators.CALIBRATORS`.
        iou: tau, the least overlap of a match; see :data:`.matches.ANY_OVERLAP`.
        thresholds: those of :func:`fit_thresholds`, which are found where it is None.

    Raises:
        ValueError: for a result of an image or category that the annotations don't have.
    """
    first = thresholds or fit_thresholds(content, results, iou=iou)
    kept = match_classes(content, first.apply(results), iou=iou)
    fitted = ScoreCalibration(
        kind,
        {
            category: replace(
                first.classes[category],
                calibrator=fit_calibrator(kind, matches.scores, matches.ious),
            )
            for category, matches in kept.items()
        },
    )
    calibrated = match_classes(content, fitted.apply(results), iou=iou)
    second = _per_class(calibrated, lambda each: optimal_threshold(each, iou=iou))
    classes = {k: replace(fitted.classes[k], calibrated_threshold=t) for k, t in second.items()}
    return ScoreCalibration(kind, classes)


def _per_class(
    matches: Mapping[int, ClassMatches], value: Callable[[ClassMatches], float]
) -> dict[int, float]:
    return {category: value(each) for category, each in matches.items()}
