#!/usr/bin/env python
"""Draws pyramid convolution, the picture of the README.

python dev/draw_pyramid_conv.py docs/pyramid_conv.png
"""

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

INK, LINE, SOFT = "#1f2328", "#8c959f", "#f3f4f6"
# Okabe and Ito's colors, which the color-blind can tell apart
SAME, FINER, COARSER = "#0072B2", "#D55E00", "#007D5A"
WIDTH, HEIGHT = 1200, 690  # in pixels, as are all coordinates
CELL = 10


def text(ax: Axes, x: float, y: float, words: str, *, size: float = 12, color: str = INK) -> None:
    ax.text(x, y, words, fontsize=size, color=color, ha="center", va="center")


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str = INK) -> None:
    style = dict(arrowstyle="-|>,head_width=0.22,head_length=0.45", color=color, lw=1.7)
    ax.annotate("", xy=end, xytext=start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})


def feature_map(
    ax: Axes,
    center: tuple[float, float],
    cells: int,
    *,
    window: tuple[int, int] | None = None,
    color: str = INK,
) -> None:
    """A square map; ``window`` (first cell from top and left, number of cells) is colored."""
    edge = cells * CELL
    left, top = center[0] - edge / 2, center[1] + edge / 2
    ax.add_patch(Rectangle((left, top - edge), edge, edge, fc=SOFT, ec="none"))
    if window is not None:
        first, count = window
        corner = (left + first * CELL, top - (first + count) * CELL)
        ax.add_patch(Rectangle(corner, count * CELL, count * CELL, fc=color, ec="none"))
    for i in range(cells + 1):
        ax.plot([left + i * CELL] * 2, [top - edge, top], color=LINE, lw=0.6)
        ax.plot([left, left + edge], [top - i * CELL] * 2, color=LINE, lw=0.6)


def kernel(ax: Axes, center: tuple[float, float], color: str) -> None:
    for row in range(3):
        for column in range(3):
            corner = (center[0] + (column - 1.5) * 14, center[1] + (row - 1.5) * 14)
            ax.add_patch(Rectangle(corner, 14, 14, fc=color, ec="white", lw=1.2))


def box(ax: Axes, center: tuple[float, float], width: float, words: str) -> None:
    style = "round,pad=0,rounding_size=7"
    corner = (center[0] - width / 2, center[1] - 17)
    ax.add_patch(FancyBboxPatch(corner, width, 34, boxstyle=style, fc="white", ec=INK, lw=1.2))
    text(ax, *center, words)


def draw_stage(ax: Axes) -> None:
    """Left: all levels of one stage, seen from the side."""
    text(ax, 200, 655, "One stage", size=15)
    text(ax, 200, 630, "the same three kernels at every level", size=11.5)
    rows = [160 + 96 * i for i in range(5)]
    widths = [112, 56, 28, 14, 7]
    into, out = 122, 312
    for level, (y, width) in enumerate(zip(rows, widths, strict=True)):
        for x in (into, out):
            ax.add_patch(Rectangle((x - width / 2, y - 5), width, 10, fc=INK, ec="none"))
        text(ax, 40, y, f"P{level + 3}", size=12.5)
        end = out - width / 2 - 8
        arrow(ax, (into + width / 2 + 6, y), (end, y), SAME)
        if level > 0:
            arrow(ax, (into + widths[level - 1] / 2 + 6, rows[level - 1] + 7), (end, y - 9), FINER)
        if level < len(rows) - 1:
            arrow(
                ax, (into + widths[level + 1] / 2 + 6, rows[level + 1] - 7), (end, y + 9), COARSER
            )
    text(ax, 40, rows[0] - 24, "fine", size=11)
    text(ax, 40, rows[-1] + 24, "coarse", size=11)
    text(ax, into, rows[0] - 24, "in", size=11)
    text(ax, out, rows[0] - 24, "out", size=11)


def draw_level(ax: Axes) -> None:
    """Right: how one level comes about."""
    text(ax, 800, 655, "One level", size=15)
    subtitle = "from itself and both neighbors, each through its own kernel"
    text(ax, 800, 630, subtitle, size=11.5)
    maps, kernels, results, total = 505, 650, 836, 924
    coarser, same, finer = 548, 390, 200
    rows = (
        (coarser, 4, (0, 3), COARSER, "$W_{1}$", "3 x 3", "coarser  $x_{l+1}$"),
        (same, 8, (2, 3), SAME, "$W_{0}$", "3 x 3", "same  $x_{l}$"),
        (finer, 16, (5, 3), FINER, "$W_{-1}$", "3 x 3, stride 2", "finer  $x_{l-1}$"),
    )
    for y, cells, window, color, name, geometry, label in rows:
        feature_map(ax, (maps, y), cells, window=window, color=color)
        text(ax, maps, y - cells * CELL / 2 - 17, label, color=color)
        arrow(ax, (maps + cells * CELL / 2 + 8, y), (kernels - 29, y), color)
        kernel(ax, (kernels, y), color)
        text(ax, kernels, y + 38, name, size=14, color=color)
        text(ax, kernels, y - 36, geometry, color=color)
        if cells == 4:  # the coarser level's result is small and gets its size afterwards
            arrow(ax, (kernels + 29, y), (707, y), color)
            feature_map(ax, (735, y), 4, window=(1, 2), color=color)
            text(ax, 735, y - 36, "upsampled", color=color)
            arrow(ax, (763, y), (results - 46, y), color)
        else:
            arrow(ax, (kernels + 29, y), (results - 46, y), color)
        feature_map(ax, (results, y), 8, window=(3, 1), color=color)

    arrow(ax, (results + 46, same), (total - 16, same), SAME)
    for y, end, color in ((coarser, same + 17, COARSER), (finer, same - 17, FINER)):
        ax.plot([results + 46, total + 0.8], [y, y], color=color, lw=1.7)
        arrow(ax, (total, y), (total, end), color)
    ax.add_patch(Circle((total, same), 14, fc="white", ec=INK, lw=1.5))
    text(ax, total, same, "+", size=17)

    arrow(ax, (total + 16, same), (total + 32, same))
    feature_map(ax, (total + 78, same), 8, window=(3, 1), color=INK)
    text(ax, total + 78, same - 57, "$y_{l}$", size=14)
    arrow(ax, (total + 123, same), (total + 138, same))
    box(ax, (total + 164, same), 48, "iBN")
    arrow(ax, (total + 190, same), (total + 203, same))
    box(ax, (total + 229, same), 48, "ReLU")
    arrow(ax, (total + 255, same), (total + 272, same))
    text(ax, total + 164, same - 30, "over all", size=10.5)
    text(ax, total + 164, same - 45, "levels", size=10.5)


def draw_formula(ax: Axes) -> None:
    """The equation, its terms in the colors of the kernels."""
    pieces = (
        ("$y_l$", INK),
        ("$=$", INK),
        ("$W_0 \\ast x_l$", SAME),
        ("$+$", INK),
        ("$W_{-1} \\ast_{\\mathrm{stride\\,2}}\\, x_{l-1}$", FINER),
        ("$+$", INK),
        ("$\\mathrm{upsample}(W_1 \\ast x_{l+1})$", COARSER),
    )
    gap = 14
    placed = [ax.text(0, 38, words, fontsize=19, color=color) for words, color in pieces]
    widths = [piece.get_window_extent().width for piece in placed]
    x = (WIDTH - sum(widths) - gap * (len(widths) - 1)) / 2
    for piece, width in zip(placed, widths, strict=True):
        piece.set_x(x)
        x += width + gap


def draw(path: Path) -> None:
    figure = plt.figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(0, HEIGHT)
    ax.axis("off")
    draw_stage(ax)
    ax.plot([400, 400], [90, 665], color="#d0d7de", lw=1)
    draw_level(ax)
    draw_formula(ax)
    path.parent.mkdir(parents=True, exist_ok=True)
    # without the version of matplotlib in it, the same picture is the same file
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draws pyramid convolution.")
    parser.add_argument("path", nargs="?", type=Path, default=Path("docs/pyramid_conv.png"))
    options = parser.parse_args(arguments)
    draw(options.path)
    print(options.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
