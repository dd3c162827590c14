"""Levels of a pyramid cut into tiles of 4x4 cells, in groups that a processor's cache can hold."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4  # cells a side
_GROUP = 128  # tiles that are worked on at a time


class Piece(NamedTuple):
    """Whole rows of tiles of one image at one level."""

    level: int
    image: int
    first_row: int
    rows: int
    columns: int


def pad_to_tiles(x: Tensor, around: int) -> Tensor:
    """Pad (N, C, H, W) by zeros around, and below and right to whole tiles, as (N, H, W, C)."""
    below, right = (around + -size % TILE for size in x.shape[2:])
    return F.pad(x.permute(0, 2, 3, 1), (0, 0, around, right, around, below))


def empty_map(size: Sequence[int], like: Tensor) -> Tensor:
    """Make a map (N, C, H, W), channels last; no view, to which nobody may add in place."""
    return torch.empty(
        tuple(size), dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )


def crop(y: Tensor, size: torch.Size) -> Tensor:
    """Crop (N, C, H', W') to H x W cells, as a map that is no view of a larger one."""
    if y.shape[2:] == size:
        return y
    return y[:, :, : size[0], : size[1]].clone(memory_format=torch.channels_last)


def group_tiles(maps: Sequence[Tensor]) -> Iterator[list[Piece]]:
    """Cut all tiles into groups of some ``_GROUP``, or of one row of tiles if that has more.

    Args:
        maps: (N, H, W, C), of whole tiles.
    """
    grids = [(x.shape[0], x.shape[1] // TILE, x.shape[2] // TILE) for x in maps]
    group: list[Piece] = []
    room = _GROUP
    for level, (images, rows, columns) in enumerate(grids):
        for image in range(images):
            row = 0
            while row < rows:
                if group and room < columns:
                    yield group
                    group, room = [], _GROUP
                taken = min(rows - row, max(1, room // columns))
                group.append(Piece(level, image, row, taken, columns))
                row, room = row + taken, room - taken * columns
    if group:
        yield group


def largest_group(maps: Sequence[Tensor]) -> int:
    """Number of tiles that no group of :func:`group_tiles` exceeds."""
    return max(_GROUP, *(x.shape[2] // TILE for x in maps), 1)


def places_of(group: Sequence[Piece]) -> Iterator[tuple[Piece, slice]]:
    """Pieces of a group, each with the place of its tiles among those of the group."""
    start = 0
    for piece in group:
        end = start + piece.rows * piece.columns
        yield piece, slice(start, end)
        start = end
