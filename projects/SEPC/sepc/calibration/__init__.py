"""Calibration of a detector's scores: its errors, and calibrators with score thresholds."""

from .calibrators import CALIBRATORS, fit_calibrator
from .errors import dece, detection_bins, laace, laece, score_bins
from .lrp import LRP, lrp, optimal_threshold
from .matches import ANY_OVERLAP, ClassMatches, match_classes
from .scores import ClassCalibration, ScoreCalibration, fit, fit_thresholds

__all__ = [
    "ANY_OVERLAP",
    "CALIBRATORS",
    "LRP",
    "ClassCalibration",
    "ClassMatches",
    "ScoreCalibration",
    "dece",
    "detection_bins",
    "fit",
    "fit_calibrator",
    "fit_thresholds",
    "laace",
    "laece",
    "lrp",
    "match_classes",
    "optimal_threshold",
    "score_bins",
]
