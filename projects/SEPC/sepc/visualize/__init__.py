"""Results as pictures."""

from .curves import plot_training, read_metrics
from .detections import draw_detections

__all__ = ["draw_detections", "plot_training", "read_metrics"]
