"""Exported detector whose scores are calibrated."""

import numpy as np
from torch import Tensor

from ..calibration import ScoreCalibration
from .exported import ExportedDetector


def calibrated(exported: ExportedDetector, calibration: ScoreCalibration) -> ExportedDetector:
    """The same detector with calibrated scores; nothing is left out by the score thresholds.

    Raises:
        ValueError: for a file without the category ids of its classes.
    """
    text = exported.metadata.get("category_ids", "")
    if not text:
        raise ValueError("--calibration: expected a file that names its category_ids, got none")
    ids = np.array([int(each) for each in text.split(",")])

    def run(images: Tensor) -> list[Tensor]:
        found = exported(images)
        scores, _ = calibration(found["scores"].numpy(), ids[found["classes"].numpy()])
        found["scores"] = found["scores"].new_tensor(scores)
        return list(found.values())

    return ExportedDetector(run, exported.format, exported.metadata)
