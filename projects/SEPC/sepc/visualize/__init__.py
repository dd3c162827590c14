"""Pictures of results and of what a trunk does; a name is imported when it is first used."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "curves": ("plot_training", "read_metrics"),
        "detections": ("draw_detections",),
        "matching": ("ImageMatches", "match_detections"),
        "mistakes": ("draw_mistakes",),
        "pyramid_figure": ("plot_pyramid",),
        "trunk_record": ("TrunkRecord", "record_trunk"),
    },
)
