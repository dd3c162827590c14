"""Demo detector whose scores are calibrated, with score thresholds per class."""

from collections.abc import Sequence

import numpy as np

from ..calibration import ScoreCalibration
from .detections import Detections, Detector


class CalibratedDetector:
    """Another detector with its scores calibrated, without what does not pass the thresholds.

    Args:
        detector: one that keeps what scores :attr:`~.ScoreCalibration.least_score` or more.
        calibration: by the category ids of the detector; where these are unknown they count from 1.
    """

    def __init__(self, detector: Detector, calibration: ScoreCalibration) -> None:
        self._detector, self._calibration = detector, calibration
        self.class_names, self.category_ids = detector.class_names, detector.category_ids

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        return [self._calibrated(found) for found in self._detector(images)]

    def _calibrated(self, found: Detections) -> Detections:
        ids = self.category_ids
        categories = [ids[int(c)] if ids else int(c) + 1 for c in found.classes]
        return found.rescored(*self._calibration(found.scores, categories))

    def draw(self, image: np.ndarray, found: Detections) -> np.ndarray:
        return self._detector.draw(image, found)

    def draw_frame(self, frame: np.ndarray, found: Detections) -> np.ndarray:
        return self._detector.draw_frame(frame, found)
