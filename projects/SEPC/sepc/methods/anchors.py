"""Anchors of a grid; the rounded ones of mmdetection 1.x, which the official weights expect.

Detectron2 and torchvision have generators for other anchors, among them the ones of ATSS and GFL
(one square of side 8 x stride, centered on the corner of its cell: offset 0).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def legacy_cell_anchors(stride: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """The anchors of the first cell as mmdetection 1.x lays them.

    They are centered in the cell and their corners rounded (half to even) to whole pixels, of which
    the last counts in; here the far corner is one further out (see :mod:`.boxes`).

    Args:
        stride: of the level, in pixels.
        scales: sides of the square anchor, in strides.
        ratios: heights over widths, at the same area.

    Returns:
        (A, 4), A = len(ratios) * len(scales), with the scale running fastest.
    """
    center = (stride - 1) / 2
    anchors = []
    for ratio in ratios:
        for scale in scales:
            half_width = (stride * scale / math.sqrt(ratio) - 1) / 2
            half_height = (stride * scale * math.sqrt(ratio) - 1) / 2
            low = [round(center - half_width), round(center - half_height)]
            high = [round(center + half_width) + 1, round(center + half_height) + 1]
            anchors.append(low + high)
    return torch.tensor(anchors, dtype=torch.float32)


def grid_anchors(cell_anchors: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Repeat the anchors of the first cell over a level.

    Args:
        cell_anchors: (A, 4).
        size: (Hl, Wl).
        stride: distance of two cells in pixels.

    Returns:
        (Hl * Wl * A, 4): row by row, the anchors of one cell together.
    """
    rows, columns = (
        torch.arange(n, dtype=cell_anchors.dtype, device=cell_anchors.device) * stride for n in size
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
    return (shifts + cell_anchors).reshape(-1, 4)


def cells_on_image(
    size: tuple[int, int], stride: int, image_size: tuple[int, int], *, device: torch.device
) -> Tensor:
    """Which cells of a level begin on the image, and not in the padding of its batch.

    Args:
        size: (Hl, Wl).
        stride: distance of two cells in pixels.
        image_size: height and width in pixels.
        device: of the result.

    Returns:
        (Hl * Wl,) bool, row by row.
    """
    rows, columns = (
        torch.arange(n, device=device) * stride < pixels
        for n, pixels in zip(size, image_size, strict=True)
    )
    return (rows.unsqueeze(1) & columns).flatten()
