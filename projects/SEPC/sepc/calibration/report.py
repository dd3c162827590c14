"""Table and reliability diagram of calibrated scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..files import atomic_write
from ..visualize.curves import COLORS, new_figure
from .errors import dece, detection_bins, laace, laece
from .lrp import lrp
from .matches import ANY_OVERLAP, ClassMatches, match_classes

COLUMNS = ("LaECE", "LaACE", "D-ECE", "LRP", "localization", "false positives", "misses", "kept")


def measure_errors(
    content: dict[str, Any], results: Sequence[dict[str, Any]], *, iou: float = ANY_OVERLAP
) -> dict[str, float]:
    """Errors by :data:`COLUMNS`, means over the classes, in percent; D-ECE at an IoU of 0.5.

    "kept" is the number of detections. The other arguments are those of
    :func:`.matches.match_classes`.
    """
    matches = match_classes(content, results, iou=iou).values()
    parts = np.array([lrp(each, iou=iou) for each in matches]).T
    at_half = match_classes(content, results, iou=0.5).values()
    values = [
        _mean([laece(each) for each in matches]),
        _mean([laace(each) for each in matches]),
        dece(at_half),
        *(_mean(part) for part in parts),
    ]
    percent = dict(zip(COLUMNS, (100 * value for value in values), strict=False))
    return {**percent, "kept": len(results)}


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the classes that can be measured; NaN without any."""
    known = np.asarray(values)[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def errors_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Format as Markdown: a row per kind of scores, a column per error."""
    lines = [["scores", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    for name, errors in rows.items():
        cells = [f"{errors[column]:.1f}" for column in COLUMNS[:-1]]
        lines.append([name, *cells, f"{errors['kept']:.0f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot_reliability(
    matches: Mapping[str, Mapping[int, ClassMatches]],
    path: str | os.PathLike[str],
    *,
    bins: int = 10,
) -> None:
    """Draw mean IoU over mean score in bins, and below how many detections there are in each.

    Args:
        matches: by the name of the scores, each by category id.
        path: picture to write, a PNG.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    figure = new_figure(figsize=(5.2, 5.6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], "--", color="gray", label="calibrated")
    centers = (np.arange(bins) + 0.5) / bins
    width = 0.8 / bins / max(len(matches), 1)
    for number, (name, per_class) in enumerate(matches.items()):
        color = COLORS[number % len(COLORS)]
        found = detection_bins(per_class.values(), "ious", bins)
        known = found.share > 0
        above.plot(found.score[known], found.target[known], "o-", color=color, label=name)
        offset = (number - (len(matches) - 1) / 2) * width
        below.bar(centers + offset, 100 * found.share, width, color=color)
    above.set_ylabel("mean IoU with what is found")
    above.set_ylim(0, 1)
    above.legend(frameon=False)
    below.set_ylabel("detections, %")
    below.set_xlabel("score")
    below.set_xlim(0, 1)
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
