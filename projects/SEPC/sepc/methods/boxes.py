"""Boxes and the numbers that detectors predict in their place: deltas, distances, overlaps.

A box (x1, y1, x2, y2) has the width ``x2 - x1``. mmdetection 1.x, and so the official code, counts
the last pixel in: its boxes have the width ``x2 - x1 + 1``. The two differ in nothing but the far
corner, which lies one pixel further out here. So all that is needed for the old convention is
:func:`from_inclusive` where its boxes come in and :func:`to_inclusive` where they go out; between
the two, centers, overlaps, deltas and distances are the same numbers.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# Deltas may scale an anchor by 1000/16 at most, as in Detectron and mmdetection.
MAX_LOG_SCALE = math.log(1000.0 / 16)

# Sides of boxes are taken as at least this many pixels where they are divided by or logged.
_MIN_SIDE = 1e-3


def upcast(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 where it is: losses are not computed in half precision."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def from_inclusive(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) that count their last pixel in -> the same boxes with width ``x2 - x1``."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] + 1], dim=-1)


def to_inclusive(boxes: Tensor) -> Tensor:
    """The inverse of :func:`from_inclusive`."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] - 1], dim=-1)


def centers(boxes: Tensor) -> Tensor:
    """(..., 4) -> (..., 2), x and y in pixels."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def encode_deltas(anchors: Tensor, boxes: Tensor, weights: Sequence[float]) -> Tensor:
    """Deltas (dx, dy, dw, dh) that turn anchors into boxes. Source: R-CNN, Appendix C.

    Args:
        anchors: (..., 4), of positive area.
        boxes: (..., 4); sides below a thousandth of a pixel count as that, to stay finite.
        weights: factors of dx, dy, dw, dh; 1 / std of codebases that divide by a deviation.
    """
    sizes = anchors[..., 2:] - anchors[..., :2]
    box_sizes = (boxes[..., 2:] - boxes[..., :2]).clamp(min=_MIN_SIDE)
    shift = (centers(boxes) - centers(anchors)) / sizes
    scale = torch.log(box_sizes / sizes)
    return torch.cat([shift, scale], dim=-1) * shift.new_tensor(weights)


def decode_deltas(anchors: Tensor, deltas: Tensor, weights: Sequence[float]) -> Tensor:
    """The inverse of :func:`encode_deltas`; dw and dh are clamped to +-``MAX_LOG_SCALE``.

    Unlike Detectron2, and as in mmdetection, they are clamped from below too, so that no decoded
    box has an area of zero.
    """
    deltas = upcast(deltas)
    deltas = deltas / deltas.new_tensor(weights)
    sizes = anchors[..., 2:] - anchors[..., :2]
    center = centers(anchors) + deltas[..., :2] * sizes
    half = sizes * deltas[..., 2:].clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp() / 2
    return torch.cat([center - half, center + half], dim=-1)


def encode_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """Points (..., 2), boxes (..., 4) -> distances (..., 4) to left, top, right, bottom side.

    All four are positive where the point lies inside the box.
    """
    return torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], dim=-1)


def decode_distances(points: Tensor, distances: Tensor) -> Tensor:
    """The inverse of :func:`encode_distances`."""
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], dim=-1)


def paired_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU of each box with its partner, (..., 4) and (..., 4) -> (...); 0 if both are empty."""
    corner1 = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    corner2 = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    overlap = (corner2 - corner1).clamp(min=0).prod(dim=-1)
    area1 = (boxes1[..., 2:] - boxes1[..., :2]).prod(dim=-1)
    area2 = (boxes2[..., 2:] - boxes2[..., :2]).prod(dim=-1)
    return overlap / (area1 + area2 - overlap).clamp(min=_MIN_SIDE**2)
