"""A small pyramid with anchors, and every method's losses on it, from boxes to one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sepc.methods.anchors import grid_anchors
from sepc.methods.atss import atss_assign, atss_losses
from sepc.methods.free_anchor import free_anchor_losses
from sepc.methods.fsaf import fsaf_assign, fsaf_losses
from sepc.methods.gfl import gfl_losses
from sepc.methods.targets import IGNORED, anchor_targets

STRIDES = (8, 16, 32)
SIZES = ((9, 11), (5, 6), (3, 3))  # of an image of 70 x 85 pixels
NUM_ANCHORS = [h * w for h, w in SIZES]
R = sum(NUM_ANCHORS)
K = 3
BINS = 9


def square_anchors(scale: float) -> Tensor:
    """One square of side ``scale`` x stride in the middle of each cell, (R, 4)."""
    corner = torch.tensor([[-1.0, -1.0, 1.0, 1.0]]) * scale / 2 + 0.5
    levels = zip(SIZES, STRIDES, strict=True)
    return torch.cat([grid_anchors(corner * s, size, s) for size, s in levels])


def strides() -> Tensor:
    return torch.cat(
        [torch.full((n,), float(s)) for n, s in zip(NUM_ANCHORS, STRIDES, strict=True)]
    )


def predictions(num_images: int, *widths: int, seed: int = 0) -> list[Tensor]:
    """Leaves (N, R, width)."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(num_images, R, width, generator=generator).requires_grad_() for width in widths
    ]


def targets(
    assign: Callable[[Tensor], Tensor],
    gt_boxes: Sequence[Tensor],
    gt_classes: Sequence[Tensor],
    ignore_all: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Assignment (N, R), labels (N, R) and matched boxes (N, R, 4)."""
    rows = []
    for boxes, classes in zip(gt_boxes, gt_classes, strict=True):
        assignment = assign(boxes)
        if ignore_all:
            assignment = torch.full_like(assignment, IGNORED)
        rows.append((assignment, *anchor_targets(assignment, boxes, classes, num_classes=K)))
    assignment, labels, matched = (torch.stack(x) for x in zip(*rows, strict=True))
    return assignment, labels, matched


GroundTruth = tuple[Sequence[Tensor], Sequence[Tensor]]


def atss_total(gt: GroundTruth, inputs: Sequence[Tensor], ignore_all: bool = False) -> Tensor:
    logits, deltas, centerness = inputs
    anchors = square_anchors(8)
    _, labels, matched = targets(
        lambda boxes: atss_assign(anchors, boxes, NUM_ANCHORS), *gt, ignore_all
    )
    losses = atss_losses(logits, deltas, centerness.squeeze(-1), anchors, labels, matched)
    return losses.cls + losses.box + losses.centerness


def gfl_total(gt: GroundTruth, inputs: Sequence[Tensor], ignore_all: bool = False) -> Tensor:
    anchors = square_anchors(8)
    _, labels, matched = targets(
        lambda boxes: atss_assign(anchors, boxes, NUM_ANCHORS), *gt, ignore_all
    )
    losses = gfl_losses(*inputs, anchors, strides(), labels, matched)
    return losses.quality + losses.box + losses.distribution


def fsaf_total(gt: GroundTruth, inputs: Sequence[Tensor], ignore_all: bool = False) -> Tensor:
    logits, btlr = inputs
    anchors = square_anchors(1)
    assigned = targets(lambda boxes: fsaf_assign(anchors, boxes), *gt, ignore_all)
    losses = fsaf_losses(
        logits,
        btlr.relu(),
        anchors,
        *assigned,
        num_gts=[len(boxes) for boxes in gt[0]],
        num_anchors_per_level=NUM_ANCHORS,
    )
    return losses.cls.sum() + losses.box.sum()


def free_anchor_total(
    gt: GroundTruth, inputs: Sequence[Tensor], ignore_all: bool = False
) -> Tensor:
    losses = free_anchor_losses(*inputs, square_anchors(4), *gt)
    return losses.positive + losses.negative


METHODS = {
    "atss": (atss_total, (K, 4, 1)),
    "gfl": (gfl_total, (K, 4 * BINS)),
    "fsaf": (fsaf_total, (K, 4)),
    "free_anchor": (free_anchor_total, (K, 4)),
}
