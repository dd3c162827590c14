"""Plot of a study: every seed of every setting as a dot, and their mean as a line."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from sepc.files import atomic_write
from sepc.visualize.curves import new_figure

from .summary import Row


def plot_rows(
    groups: Mapping[str, Sequence[Row]], path: Path, *, metrics: Sequence[str], title: str
) -> None:
    """Draw one line of panels per group, one panel per metric; a name has one color in all.

    Args:
        groups: rows by the name of their group, from the top to the bottom.
        path: picture to write.
        metrics: of the panels, left to right.
        title: says on what it was measured.

    Raises:
        ImportError: matplotlib is not installed.
    """
    heights = [max(1, len(rows)) for rows in groups.values()]
    size = (2.2 + 2.2 * len(metrics), 1.1 + 0.3 * sum(heights) + 0.3 * len(heights))
    figure = new_figure(figsize=size)
    panels = figure.subplots(
        len(groups), len(metrics), sharex="col", sharey="row", squeeze=False, height_ratios=heights
    )
    names = dict.fromkeys(row.name for rows in groups.values() for row in rows)
    colors = {name: f"C{i}" for i, name in enumerate(names)}
    for line, (group, rows) in zip(panels, groups.items(), strict=True):
        for panel, metric in zip(line, metrics, strict=True):
            for y, row in enumerate(rows):
                values, color = row.values[metric], colors[row.name]
                panel.plot(values, [y] * len(values), "o", color=color, markersize=4, alpha=0.6)
                mean = statistics.fmean(values)
                panel.plot([mean, mean], [y - 0.3, y + 0.3], color=color, linewidth=2)
            panel.grid(axis="x", alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
        line[0].set_yticks(range(len(rows)), [row.name for row in rows])
        line[0].set_ylim(len(rows) - 0.5, -0.5)  # the first one on top
        line[0].set_ylabel(group, fontweight="bold")
    for panel, metric in zip(panels[0], metrics, strict=True):
        panel.set_title(metric)
    figure.suptitle(title, fontsize="medium")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110, format="png")


def plot_differences(
    panels: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]], path: Path, *, title: str
) -> None:
    """Draw differences over groups, one panel beside the other; a name has one color in all.

    The axis is linear to ±5 and logarithmic beyond.

    Args:
        panels: name of the panel to name of the difference to group to mean and standard error,
            which is nan where it is not known.
        path: picture to write.
        title: says on what it was measured.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = new_figure(figsize=(max(1.0 + 3.4 * len(panels), 6.0), 3.6))
    names = dict.fromkeys(name for lines in panels.values() for name in lines)
    order = {name: i for i, name in enumerate(names)}
    for axes, (panel, lines) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        found = dict.fromkeys(group for groups in lines.values() for group in groups)
        places = {group: place for place, group in enumerate(found)}
        for name, groups in lines.items():
            means, errors = zip(*groups.values(), strict=True)
            aside = 0.08 * (order[name] - (len(order) - 1) / 2)  # bars beside each other
            axes.errorbar(
                [places[group] + aside for group in groups],
                means,
                yerr=errors,
                marker="o",
                markersize=4,
                capsize=2,
                color=f"C{order[name]}",
                label=name,
            )
        axes.set_xticks([*places.values()], [*places])
        axes.axhline(0, color="gray", linewidth=1)
        # a coarse level that decides few objects would press all else together
        axes.set_yscale("symlog", linthresh=5, linscale=2)
        axes.yaxis.set_major_locator(FixedLocator([-20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20]))
        axes.yaxis.set_major_formatter(lambda x, _: f"{x:+.0f}" if x else "0")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_title(panel, fontsize="medium")
        axes.tick_params(axis="x", labelrotation=30, labelsize="small")
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize="x-small", frameon=False)
    figure.supylabel("difference in AP", fontsize="medium")
    figure.suptitle(title, fontsize="medium")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110, format="png")
