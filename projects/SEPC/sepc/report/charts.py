"""Curves as SVG inside the page, in the page's own colors."""

import io
import re
from collections.abc import Mapping
from typing import Any

from ..visualize.curves import COLORS, Metrics, new_figure, panels_of

# drawn in these, then exchanged for the page's
_INK = "#010203"
_LINES = dict(zip(COLORS, ("var(--c0)", "var(--c1)", "var(--c2)"), strict=False))


def curves_as_svg(runs: Mapping[str, Metrics]) -> dict[str, str]:
    """The panels of :func:`~sepc.visualize.plot_training` as ``<svg>`` elements, by name.

    Raises:
        ImportError: if matplotlib is not installed.
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
    charts = {}
    for number, (name, draw) in enumerate(panels_of(runs).items()):
        with matplotlib.rc_context(style):
            figure = new_figure(figsize=(4.6, 3.3))
            draw(figure.subplots(), runs)
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
        charts[name] = _for_page(text.getvalue(), label=f"{name} over iterations", number=number)
    return charts


def _for_page(svg: str, *, label: str, number: int) -> str:
    """Strip what only a file of its own needs, and make names unique in the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>chart{number}-", svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg role="img" aria-label="{label}" {view.group() if view else ""}>'
    svg = re.sub(r"<svg[^>]*>", head, svg, count=1)
    for color, ours in {_INK: "currentColor", **_LINES}.items():
        svg = re.sub(color, ours, svg, flags=re.IGNORECASE)
    return svg.strip()
