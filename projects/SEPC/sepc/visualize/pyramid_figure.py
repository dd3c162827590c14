"""Figure of what a trunk does to an image."""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..files import atomic_write
from .curves import new_figure
from .pyramid_panels import (
    frame,
    show_lengths,
    show_map,
    show_offsets,
    show_statistics,
    show_terms,
)
from .sampled_offsets import LayerOffsets
from .trunk_record import TrunkRecord


def plot_pyramid(
    record: TrunkRecord,
    image: np.ndarray,
    path: str | os.PathLike[str],
    *,
    dpi: int = 100,
    **options: Any,
) -> None:
    """Draw what a trunk did to the first image of a batch.

    Args:
        path: picture to write; its ending says the format.

    The rest, and the errors, are those of :func:`pyramid_figure`.
    """
    figure = pyramid_figure(record, image, **options)
    # the same picture is the same file, whatever version of matplotlib wrote it
    metadata = {"Software": None} if os.fspath(path).endswith(".png") else {}
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=dpi, metadata=metadata)


def pyramid_figure(
    record: TrunkRecord,
    image: np.ndarray,
    *,
    levels: Sequence[str] = (),
    layers: Sequence[str] = (),
    points: Sequence[tuple[float, float]] = (),
) -> Any:
    """Make the figure of :func:`plot_pyramid`, for a notebook.

    Args:
        record: see :func:`~sepc.visualize.record_trunk`; after a call of the model.
        image: (H, W, 3) RGB, what the maps cover, with its padding.
        levels: L names; default "level 1" and so on.
        layers: names among ``record.offsets()`` whose offsets are drawn on the image; default
            those of the task convolutions or, where only stages deform, of the last one.
        points: (x, y) in pixels of the image: the offsets of the cells there are drawn. Default
            those cells of each level that respond most.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: nothing was recorded, or a name that does not exist.
    """
    if not record.inputs:
        raise ValueError("nothing was recorded: expected a call of the model in record_trunk")
    levels = list(levels) or [f"level {i}" for i in range(1, len(record.inputs) + 1)]
    if len(levels) != len(record.inputs):
        raise ValueError(f"expected {len(record.inputs)} names of levels, got {len(levels)}")
    offsets = record.offsets()
    drawn = chosen_layers(offsets, layers)
    rows = [("before\nthe trunk", record.inputs)]
    rows += [(f"after it:\n{name}", maps) for name, maps in record.outputs.items()]

    count = len(rows) + len(drawn)
    width = max(2.1 * len(levels), 8.4)
    tile = width / len(levels) * image.shape[0] / image.shape[1]
    heights = (3.2, (0.95 * tile + 0.14) * count + 0.3, max(3.2, 0.24 * len(offsets) + 0.9))
    figure = new_figure(figsize=(width, sum(heights)))
    figure.set_facecolor("white")
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=heights)
    _draw_top(top, record, image, levels)
    rows_and_columns = record.inputs[0].shape[-2:]
    finest = (image.shape[0] / rows_and_columns[0], image.shape[1] / rows_and_columns[1])
    grid = middle.subplots(count, len(levels), squeeze=False)
    for axes, level, x in zip(grid[0], levels, record.inputs, strict=True):
        axes.set_title(f"{level}  ({x.shape[-2]} x {x.shape[-1]})", fontsize=10)
    for axes_row, (name, maps) in zip(grid, rows, strict=False):
        axes_row[0].set_ylabel(name, fontsize=8)
        for axes, x in zip(axes_row, maps, strict=True):
            show_map(axes, x[0], (image.shape[0], image.shape[1]))
    for axes_row, (name, layer) in zip(grid[len(rows) :], drawn.items(), strict=True):
        axes_row[0].set_ylabel("offsets:\n" + name.replace(", ", ",\n"), fontsize=8)
        outputs = next(reversed(record.outputs.values()))
        for index, axes in enumerate(axes_row):
            cell = (finest[0] * 2**index, finest[1] * 2**index)
            cells = cells_at(points, outputs[index], cell)
            cells = cells or strongest_cells(outputs[index][0])
            show_offsets(axes, image, layer, index, cells, finest_cell=finest)
    _draw_bottom(bottom, record, offsets, levels)
    return figure


def chosen_layers(
    offsets: dict[str, LayerOffsets], names: Sequence[str]
) -> dict[str, LayerOffsets]:
    """Choose layers whose offsets are drawn: those named, or those of :func:`plot_pyramid`."""
    unknown = [name for name in names if name not in offsets]
    if unknown:
        known = list(offsets) or "none: nothing deforms in this trunk"
        raise ValueError(f"unknown layer {unknown}: expected some of {known}")
    if names:
        return {name: offsets[name] for name in names}
    tasks = {name: each for name, each in offsets.items() if not name.startswith("stage")}
    return tasks or dict(list(offsets.items())[-1:])


def cells_at(
    points: Sequence[tuple[float, float]], features: Tensor, cell: tuple[float, float]
) -> list[tuple[int, int]]:
    """Find the cells (row, column) of a map (N, C, H, W) in which points (x, y) lie, each once.

    Args:
        cell: height and width of a cell, in pixels.
    """
    rows, columns = features.shape[-2:]
    cells = ((math.floor(y / cell[0]), math.floor(x / cell[1])) for x, y in points)
    return list(dict.fromkeys((r, c) for r, c in cells if 0 <= r < rows and 0 <= c < columns))


def strongest_cells(features: Tensor, *, count: int = 3) -> list[tuple[int, int]]:
    """Find the cells of a map (C, H, W) that respond most, no two of them neighbors, best first."""
    strength = features.abs().mean(dim=0).float().cpu()
    cells: list[tuple[int, int]] = []
    for index in strength.flatten().argsort(descending=True).tolist():
        row, column = divmod(index, strength.shape[1])
        if all(max(abs(row - r), abs(column - c)) > 2 for r, c in cells):
            cells.append((row, column))
        if len(cells) == count:
            break
    return cells


def _draw_top(part: Any, record: TrunkRecord, image: np.ndarray, levels: Sequence[str]) -> None:
    left, right = part.subplots(1, 2, width_ratios=[1, 2.4])
    left.imshow(image)
    left.set_title("the image", fontsize=10)
    frame(left)
    show_terms(right, record.terms(), levels)
    right.set_title("what each term gives to a level (share of the norms)", fontsize=10, pad=18)


def _draw_bottom(
    part: Any, record: TrunkRecord, offsets: dict[str, LayerOffsets], levels: Sequence[str]
) -> None:
    shift, spread, *rest = part.subplots(1, 3 if offsets else 2)
    statistics = record.statistics()
    show_statistics(shift, statistics, levels, of="shift")
    shift.set_title("mean: the level's less iBN's,\nin iBN's standard deviations", fontsize=10)
    show_statistics(spread, statistics, levels, of="spread")
    spread.set_title("standard deviation:\nthe level's over iBN's", fontsize=10)
    for lengths in rest:
        show_lengths(lengths, offsets, levels)
        lengths.set_title("how far the taps are moved,\nin cells", fontsize=10)
