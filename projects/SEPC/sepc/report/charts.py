"""Curves as SVG inside the page, in the page's own colors."""

import io
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..evaluation.coco import PrecisionCurves
from ..visualize.curves import COLORS, Metrics, new_figure, panels_of
from ..visualize.drawing import class_color

# drawn in these, then exchanged for the page's
_INK = "#010203"
_NAME = 24  # characters of a name in a legend
_LINES = dict(zip(COLORS, ("var(--c0)", "var(--c1)", "var(--c2)"), strict=False))


def curves_as_svg(runs: Mapping[str, Metrics]) -> dict[str, str]:
    """The panels of :func:`~sepc.visualize.plot_training` as ``<svg>`` elements, by name.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    return {
        name: _svg(
            draw,
            runs,
            name=f"chart{number}",
            label=f"{name} over iterations",
            size=(4.6, 3.3),
            colors=_LINES,
        )
        for number, (name, draw) in enumerate(panels_of(runs).items())
    }


def precision_as_svg(curves: PrecisionCurves, names: Mapping[int, str], least: float) -> str:
    """Precision over recall of classes and the mean of all classes, as one ``<svg>`` element.

    Args:
        names: of the classes to draw, by index, in the colors that they have in pictures.
        least: score threshold, a dot on the curve of each class.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    return _svg(
        _draw_precision,
        curves,
        names,
        least,
        name="precision",
        label="precision over recall",
        size=(8.4, 4.4),
        colors={},
    )


def _draw_precision(
    axes: Any, curves: PrecisionCurves, names: Mapping[int, str], least: float
) -> None:
    from matplotlib.patheffects import Normal, Stroke

    edge = [Stroke(linewidth=2.6, foreground=_INK), Normal()]  # pale lines on a pale page
    for index, name in names.items():
        precision, scores = curves.precision[index], curves.scores[index]
        color, label = class_color(index), _legend_line(name, precision)
        axes.plot(curves.recalls, precision, color=color, lw=1.8, label=label, path_effects=edge)
        reached = np.flatnonzero((scores > 0) & (scores >= least))
        if len(reached):
            at = reached[-1]
            dot = dict(color=color, marker="o", markersize=7, markeredgecolor=_INK)
            axes.plot(curves.recalls[at], precision[at], clip_on=False, zorder=3, **dot)
    measured = curves.precision[curves.precision[:, 0] >= 0]
    if len(measured):
        mean = measured.mean(axis=0)
        line = _legend_line("mean of all classes", mean)
        axes.plot(curves.recalls, mean, "--", color=_INK, lw=2.2, label=line)
        axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _legend_line(name: str, precision: np.ndarray) -> str:
    short = name if len(name) <= _NAME else name[: _NAME - 2] + ".."
    return f"{100 * precision.mean():.1f}  {short}".replace("$", r"\$")


def _svg(
    draw: Callable[..., None],
    *drawn: Any,
    name: str,
    label: str,
    size: tuple[float, float],
    colors: Mapping[str, str],
) -> str:
    """Draw on axes as an ``<svg>`` element of the page.

    Args:
        draw: takes axes of matplotlib, then ``drawn``.
        name: of the element within the page, without which its parts' names would clash.
        label: for those who can't see it.
        colors: to be exchanged for the page's.
    """
    import matplotlib

    style: Any = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _INK),
        **dict.fromkeys(("xtick.color", "ytick.color"), _INK),
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "font.family": "sans-serif",
        "svg.fonttype": "none",
        "svg.hashsalt": "report",
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the browser has the letters
        figure = new_figure(figsize=size)
        draw(figure.subplots(), *drawn)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _for_page(text.getvalue(), name, label, {_INK: "currentColor", **colors})


def _for_page(svg: str, name: str, label: str, colors: Mapping[str, str]) -> str:
    """Strip what only a file of its own needs, and make names unique in the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg role="img" aria-label="{label}" {view.group() if view else ""}>'
    svg = re.sub(r"<svg[^>]*>", head, svg, count=1)
    for color, ours in colors.items():
        svg = re.sub(color, ours, svg, flags=re.IGNORECASE)
    return svg.strip()
