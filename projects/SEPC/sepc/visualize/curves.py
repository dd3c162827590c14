"""Plots of losses, learning rate and AP over the iterations of a training."""

import os
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

from ..files import atomic_write
from ..metrics import read_rows
from .drawing import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

Series = tuple[list[int], list[float]]
Metrics = dict[str, Series]

#: of the runs in a plot: dark enough for lines
COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#8c6bb1", "#555555")
MAX_TERMS = 8
OFFSET = "offset/"


def read_metrics(path: str | os.PathLike[str]) -> Metrics:
    """Read a metrics.json as Detectron2 writes it: one JSON object with an iteration per line.

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
    for row in read_rows(path):
        for name, value in row.items():
            if name != "iteration" and isinstance(value, int | float) and abs(value) < 1e300:
                values.setdefault(name, {})[row["iteration"]] = float(value)
    if not values:
        raise ValueError(f'{path}: expected lines of JSON with an "iteration", found none')
    return {
        name: (sorted(by_iteration), [by_iteration[i] for i in sorted(by_iteration)])
        for name, by_iteration in values.items()
    }


def plot_training(runs: Mapping[str, str | os.PathLike[str]], path: str | os.PathLike[str]) -> None:
    """Draw losses, learning rate and AP of one or several trainings for comparison.

    Where a kernel deforms, its offsets are drawn too.

    Args:
        runs: name of the run to its metrics.json.
        path: picture to write; its ending says the format.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: without runs.
        FileNotFoundError, ValueError: see :func:`read_metrics`.
    """
    if not runs:
        raise ValueError("expected at least one training to plot, got none")
    read = {name: read_metrics(metrics) for name, metrics in runs.items()}
    panels = panels_of(read)
    figure = new_figure(figsize=(14 / 3 * len(panels), 4.4))
    for axes, draw in zip(figure.subplots(1, len(panels)), panels.values(), strict=True):
        draw(axes, read)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120)


def new_figure(*, figsize: tuple[float, float]) -> Any:
    """Make an empty figure of matplotlib that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=figsize, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_losses(axes: Any, runs: Mapping[str, Metrics]) -> None:
    """Draw the total loss, and where there are few runs its terms."""
    terms = sorted({x for metrics in runs.values() for x in metrics if x.startswith("loss_")})
    styles = {"total_loss": "-"}
    if len(terms) * len(runs) <= MAX_TERMS:
        styles |= dict(zip(terms, cycle(("--", ":", "-.")), strict=False))
    for color, (run, metrics) in zip(cycle(COLORS), runs.items(), strict=False):
        for name, style in styles.items():
            _line(axes, metrics, name, _label(run, runs, name), color=color, linestyle=style)
    axes.set_title("loss")
    axes.set_ylim(bottom=0)
    _finish(axes)


def draw_learning_rate(axes: Any, runs: Mapping[str, Metrics]) -> None:
    for color, (run, metrics) in zip(cycle(COLORS), runs.items(), strict=False):
        _line(axes, metrics, "lr", run, color=color)
    axes.set_title("learning rate")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2), useMathText=True)
    _finish(axes)


def draw_ap(axes: Any, runs: Mapping[str, Metrics]) -> None:
    """Draw AP (solid) and AP50 (dashed, hollow) of the evaluations."""
    for color, (run, metrics) in zip(cycle(COLORS), runs.items(), strict=False):
        for name, style, fill in (("bbox/AP50", "--", "none"), ("bbox/AP", "-", color)):
            label = _label(run, runs, name.removeprefix("bbox/"))
            marker = dict(marker="o", markerfacecolor=fill)
            _line(axes, metrics, name, label, color=color, linestyle=style, **marker)
    axes.set_title("AP on unseen images, percent")
    axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
    _finish(axes)


def draw_offsets(axes: Any, runs: Mapping[str, Metrics]) -> None:
    """Draw the mean offset of each level, over the layers that deform there."""
    for color, (run, metrics) in zip(cycle(COLORS), runs.items(), strict=False):
        levels: dict[str, list[Series]] = {}
        for name, series in metrics.items():
            if name.startswith(OFFSET):
                levels.setdefault(name.rpartition("/")[2].replace("_", " "), []).append(series)
        for level, style in zip(sorted(levels), cycle(("-", "--", ":", "-.")), strict=False):
            mean = {level: _mean(levels[level])}
            _line(axes, mean, level, _label(run, runs, level), color=color, linestyle=style)
    axes.set_title("mean offset, cells")
    axes.set_ylim(bottom=0)
    _finish(axes)


Panel = Callable[[Any, Mapping[str, Metrics]], None]

#: the panels of :func:`plot_training`
PANELS: dict[str, Panel] = {
    "loss": draw_losses,
    "learning rate": draw_learning_rate,
    "AP": draw_ap,
    "offsets": draw_offsets,
}


def panels_of(runs: Mapping[str, Metrics]) -> dict[str, Panel]:
    """Choose the panels to draw: offsets where some training has them."""
    deforms = any(name.startswith(OFFSET) for metrics in runs.values() for name in metrics)
    return {name: draw for name, draw in PANELS.items() if deforms or name != "offsets"}


def _mean(curves: list[Series]) -> Series:
    """Mean over curves at each iteration that one of them has."""
    values: dict[int, list[float]] = {}
    for curve in curves:
        for iteration, value in zip(*curve, strict=True):
            values.setdefault(iteration, []).append(value)
    return sorted(values), [sum(values[i]) / len(values[i]) for i in sorted(values)]


def _label(run: str, runs: Mapping[str, Metrics], metric: str) -> str:
    return f"{run} {metric}" if len(runs) > 1 else metric


def _line(axes: Any, metrics: Metrics, name: str, label: str, **style: Any) -> None:
    if name in metrics:
        iterations, values = metrics[name]
        axes.plot(iterations, values, label=label, markersize=4, **style)


def _finish(axes: Any) -> None:
    axes.set_xlabel("iteration")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(axes.lines) > 1:
        axes.legend(frameon=False, fontsize="small")
    if not axes.lines:
        axes.text(0.5, 0.5, "none recorded", ha="center", transform=axes.transAxes, color="gray")
