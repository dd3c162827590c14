"""Losses and AP over the iterations of a training."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from ..files import written_whole

Series = tuple[list[int], list[float]]


def read_metrics(path: str | os.PathLike[str]) -> dict[str, Series]:
    """Reads a metrics.json as Detectron2 writes it: one JSON object with an iteration per line.

    Not every line has every metric, and the last line of a stopped training may be cut: a line that
    can't be read is left out, and so are values that are not finite. Of an iteration that was
    trained twice (after a resume) the later one counts.

    Returns:
        iterations and values by the name of the metric.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if no line of it can be read.
    """
    values: dict[str, dict[int, float]] = {}
    for line in Path(path).read_text().splitlines():
        try:
            entry = json.loads(line)
            iteration = int(entry["iteration"])
        except (ValueError, KeyError, TypeError):
            continue
        for name, value in entry.items():
            if name != "iteration" and isinstance(value, int | float) and math.isfinite(value):
                values.setdefault(name, {})[iteration] = float(value)
    if not values:
        raise ValueError(f'{path}: expected lines of JSON with an "iteration", found none')
    return {
        name: (sorted(by_iteration), [by_iteration[i] for i in sorted(by_iteration)])
        for name, by_iteration in values.items()
    }


def plot_training(runs: Mapping[str, str | os.PathLike[str]], path: str | os.PathLike[str]) -> None:
    """Draws the losses (left) and AP (right) of one or several trainings.

    Args:
        runs: name of the run to its metrics.json.
        path: picture to write.

    Raises:
        ImportError: if matplotlib is not installed.
        FileNotFoundError, ValueError: see :func:`read_metrics`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for index, (run, metrics_path) in enumerate(runs.items()):
        metrics = read_metrics(metrics_path)
        terms = sorted(name for name in metrics if name.startswith("loss_"))
        styles = {"total_loss": "-", **dict(zip(terms, cycle(("--", ":", "-.")), strict=False))}
        for name, style in styles.items():
            _plot(left, metrics, name, f"{run} {name}", color=f"C{index}", linestyle=style)
        for name, style in (("bbox/AP50", "--"), ("bbox/AP", "-")):
            label = f"{run} {name.removeprefix('bbox/')}"
            _plot(right, metrics, name, label, color=f"C{index}", linestyle=style, marker="o")
    left.set_ylabel("loss")
    left.set_ylim(bottom=0)
    right.set_ylabel("AP on unseen images, percent")
    right.set_ylim(0, max(1.0, right.get_ylim()[1]))
    for axes in (left, right):
        axes.set_xlabel("iteration")
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False, fontsize="small")
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=120)


def _plot(axes: Any, metrics: dict[str, Series], name: str, label: str, **style: Any) -> None:
    if name in metrics:
        iterations, values = metrics[name]
        axes.plot(iterations, values, label=label, markersize=4, **style)
