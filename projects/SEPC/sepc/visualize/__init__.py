"""Pictures of results and of what a trunk does."""

from .curves import plot_training, read_metrics
from .detections import draw_detections
from .matching import ImageMatches, match_detections
from .mistakes import draw_mistakes
from .pyramid_figure import plot_pyramid
from .trunk_record import TrunkRecord, record_trunk

__all__ = [
    "ImageMatches",
    "TrunkRecord",
    "draw_detections",
    "draw_mistakes",
    "match_detections",
    "plot_pyramid",
    "plot_training",
    "read_metrics",
    "record_trunk",
]
