"""Table and picture of a detector's robustness."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from ..files import atomic_write
from ..visualize.curves import new_figure
from ..visualize.drawing import BLUE
from .corruptions import CORRUPTIONS, SEVERITIES
from .record import RobustnessRecord


def robustness_table(record: RobustnessRecord) -> str:
    """Format as Markdown: P, mPC and rPC of each metric, then AP by corruption and severity."""
    grid = record.grid("AP")
    names = [name for name in CORRUPTIONS if name in grid]
    severities = [s for s in SEVERITIES if any(s in cells for cells in grid.values())]
    head = ["metric", "P (clean)", "mPC", "rPC, %"]
    rows = []
    for metric in record.metrics:
        found = record.summary(metric)
        cells = (found.clean, found.corrupted, 100 * found.relative)
        rows.append([metric, *map(_text, cells)])
    means = _table(head, rows)
    missing = [name for name in CORRUPTIONS if name not in grid]
    note = f"\n\nNot evaluated: {', '.join(missing)}." if missing else ""
    per_cell = [
        [name, *(_text(grid[name].get(severity, math.nan)) for severity in severities)]
        for name in names
    ]
    by_corruption = _table(["AP, severity", *map(str, severities)], per_cell)
    return f"{means}{note}\n\n{by_corruption}"


def plot_robustness(record: RobustnessRecord, path: str | os.PathLike[str]) -> None:
    """Draw AP by corruption, a bar for each severity; dashed, without any.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    grid = record.grid("AP")
    names = [name for name in CORRUPTIONS if name in grid]
    figure = new_figure(figsize=(9, 4.2))
    axes = figure.subplots()
    for severity in SEVERITIES:
        places = [place + 0.16 * (severity - 3) for place in range(len(names))]
        values = [grid[name].get(severity, math.nan) for name in names]
        share = 0.2 * severity
        axes.bar(places, values, 0.16, color=BLUE, alpha=share, label=f"severity {severity}")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.axhline(record.clean("AP"), color="gray", linestyle="--", label="without corruption")
    axes.set_ylabel("AP")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize="small", ncols=6, loc="outside upper center")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120, format="png")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"
