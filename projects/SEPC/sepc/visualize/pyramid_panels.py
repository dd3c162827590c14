"""Panels of the figure of a trunk, each drawn on axes of matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .drawing import GREEN, SKY, TERMS, VERMILION
from .pyramid_terms import TermNorms
from .sampled_offsets import LayerOffsets, tap_positions
from .scale_statistics import LevelStatistics

_INK, _FAINT = "#1f2328", "#8c959f"


def show_map(axes: Any, features: Tensor, image_size: tuple[int, int]) -> None:
    """Draw how strongly each cell responds: the mean over channels of the absolute values.

    Args:
        features: (C, H, W).
        image_size: height and width of what the map covers.
    """
    strength = features.abs().mean(dim=0).float().cpu().numpy()
    lowest = float(strength.min()) if strength.size > 1 else 0.0
    axes.imshow(strength, cmap="viridis", aspect="auto", vmin=lowest)
    axes.set_box_aspect(image_size[0] / image_size[1])
    frame(axes)


def frame(axes: Any) -> None:
    """Take the ticks from axes."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(_FAINT)


def show_offsets(
    axes: Any,
    image: np.ndarray,
    offsets: LayerOffsets,
    level: int,
    cells: Sequence[tuple[int, int]],
    *,
    finest_cell: tuple[float, float],
) -> None:
    """Draw where taps of some output cells sample: rings without, dots with offsets.

    Args:
        image: (H, W, 3), RGB.
        level: of the output. Where nothing deforms it is said.
        cells: (row, column) of the output.
        finest_cell: height and width of a cell of the finest level, in pixels; it doubles from
            level to level.
    """
    height, width = image.shape[:2]
    pale = (0.45 * image + 0.55 * 255).astype(np.uint8)
    axes.imshow(pale, extent=(0, width, height, 0))
    frame(axes)
    moves = offsets.levels[level]
    if moves is None:
        why = "ordinary convolution" if level == 0 else "no coarser level"
        axes.set_xlabel(why, fontsize=8, color=_FAINT)
        return
    # of the map that is read; the center of the cell (0, 0) lies half a cell inside the image
    cell = np.array(finest_cell) * 2 ** (level + offsets.reads)
    seen = [np.zeros((1, 2)), np.array([[height, width]])]
    for place in cells:
        for regular, moved in zip(*tap_positions(offsets, level, place), strict=True):
            before = (regular.numpy() + 0.5) * cell
            after = (moved.numpy() + 0.5) * cell
            seen += [before, after]
            for start, end in zip(before, after, strict=True):
                axes.plot(*zip(start[::-1], end[::-1], strict=True), color=_INK, lw=0.7)
            axes.plot(before[:, 1], before[:, 0], "o", ms=3.2, mfc="white", mec=_INK, mew=0.7)
            axes.plot(after[:, 1], after[:, 0], "o", ms=3.2, color=VERMILION)
    _limit(axes, np.concatenate(seen), height, width)
    axes.set_xlabel(f"taps moved by {offsets.lengths()[level]:.2f} cells", fontsize=8)


def _limit(axes: Any, points: np.ndarray, height: int, width: int) -> None:
    """Show the image and the taps around it, up to two thirds of the image beyond its border."""
    border = 0.66
    low = np.maximum(points.min(axis=0), [-border * height, -border * width])
    high = np.minimum(points.max(axis=0), [(1 + border) * height, (1 + border) * width])
    pad = 0.02 * max(height, width) * np.any([low < 0, high > [height, width]])
    # the same on all sides, so that the image stays in the middle
    beyond = max(0.0, -low.min(), *(high - [height, width])) + pad
    axes.set_xlim(-beyond, width + beyond)
    axes.set_ylim(height + beyond, -beyond)


def show_terms(axes: Any, terms: Mapping[str, Sequence[TermNorms]], levels: Sequence[str]) -> None:
    """Draw the shares of the three terms, a bar for each level of each stage.

    Args:
        terms: by layer, L norms each.
        levels: L names.
    """
    ticks, labels = [], []
    for group, (layer, norms) in enumerate(terms.items()):
        first = group * (len(levels) + 0.8)
        for index, (level, norm) in enumerate(zip(levels, norms, strict=True)):
            bottom = 0.0
            for name, share in norm.shares()._asdict().items():
                label = name if group == index == 0 else None
                axes.bar(first + index, share, 0.86, bottom, color=TERMS[name], label=label)
                bottom += share
            ticks.append(first + index)
            labels.append(level)
        middle = first + (len(levels) - 1) / 2
        axes.text(middle, 1.03, layer, ha="center", va="bottom", fontsize=9)
    axes.set_xticks(ticks, labels, fontsize=8)
    axes.set_xlim(-0.7, max(ticks, default=0) + 0.7)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"], fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=3, frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1))


def show_statistics(
    axes: Any, statistics: Mapping[str, LevelStatistics], levels: Sequence[str], *, of: str
) -> None:
    """Draw each level's statistics against iBN's, as boxes over the channels of all layers.

    Args:
        of: "shift" or "spread", see :class:`LevelStatistics`.
    """
    if not statistics:
        axes.text(0.5, 0.5, "no norm over the pyramid", ha="center", color=_FAINT)
        axes.axis("off")
        return
    values = torch.cat([getattr(each, of)() for each in statistics.values()], dim=1).numpy()
    names = [*levels, "all\nlevels"]
    style = dict(patch_artist=True, showfliers=False, widths=0.6, medianprops=dict(color=_INK))
    boxes = axes.boxplot(list(values), positions=range(len(names)), **style)
    for index, box in enumerate(boxes["boxes"]):
        box.set(facecolor=SKY if index < len(levels) else GREEN, edgecolor=_INK, linewidth=0.8)
    axes.axhline(1 if of == "spread" else 0, color=VERMILION, lw=1.3, zorder=0)
    shares = next(iter(statistics.values())).shares
    ticks = [f"{n}\n{100 * float(s):.0f} %" for n, s in zip(levels, shares, strict=True)]
    axes.set_xticks(range(len(names)), [*ticks, names[-1]], fontsize=8)
    axes.set_xlabel("boxes: channels of all layers\npercent: share of the positions", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)


def show_lengths(axes: Any, offsets: Mapping[str, LayerOffsets], levels: Sequence[str]) -> None:
    """Draw how far each kernel's taps are moved at each level, in cells, as a table in colors.

    Args:
        offsets: one kernel at least.
    """
    lengths = np.array([each.lengths() for each in offsets.values()])
    axes.imshow(lengths, cmap="Blues", aspect="auto", vmin=0, vmax=max(1e-6, lengths.max() * 1.15))
    for row, each in enumerate(offsets.values()):
        for column, moves in enumerate(each.levels):
            length = lengths[row, column]
            text = "-" if moves is None else f"{length:.2f}"
            light = length > 0.65 * lengths.max() and moves is not None
            color = "white" if light else _INK
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(levels)), levels, fontsize=8)
    axes.set_yticks(range(len(offsets)), list(offsets), fontsize=8)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
