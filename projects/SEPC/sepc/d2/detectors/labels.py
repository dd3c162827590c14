"""Anchors of a batch and what each is to predict, for detectors with one anchor per position."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.structures import Instances
from torch import Tensor

from ...methods.anchors import cells_on_image, grid_anchors
from ...methods.targets import IGNORED, anchor_targets

# (anchors (R, 4), gt_boxes (M, 4), anchors per level, valid (R,)) -> assignment (R,)
Assign = Callable[[Tensor, Tensor, list[int], Tensor], Tensor]


class LabeledAnchors(NamedTuple):
    """Anchors of a batch and what each is to predict; see :mod:`sepc.methods`.

    Attributes:
        anchors: (R, 4).
        strides: (R,), of the level of each anchor.
        per_level: L numbers of anchors that sum to R.
        assignment: (N, R).
        labels: (N, R).
        boxes: (N, R, 4).
    """

    anchors: Tensor
    strides: Tensor
    per_level: list[int]
    assignment: Tensor
    labels: Tensor
    boxes: Tensor


def label_anchors(
    generator: DefaultAnchorGenerator,
    maps: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    gt_instances: Sequence[Instances],
    *,
    assign: Assign,
    num_classes: int,
    divisibility: int,
) -> LabeledAnchors:
    """Anchors of a batch with their labels; those on the padding are ignored.

    As in the reference codebases an image counts with its own padding, up to the next multiple of
    ``divisibility``.

    Args:
        generator: of one anchor per position.
        maps: L, of the sizes on which the anchors are laid.
        image_sizes: N times height and width.
        gt_instances: N, with ``gt_boxes`` and ``gt_classes``.
        assign: which anchor belongs to which ground truth of an image.
        num_classes: K.
        divisibility: of the sizes of images by themselves, in pixels.
    """
    levels = lay_anchors(generator, maps)
    per_level = [len(x) for x in levels]
    anchors = torch.cat(levels)
    strides = torch.cat(
        [x.new_full((len(x),), s) for x, s in zip(levels, generator.strides, strict=True)]
    )
    found = []
    for image_size, gt in zip(image_sizes, gt_instances, strict=True):
        height, width = (_round_up(side, divisibility) for side in image_size)
        valid = torch.cat(
            [
                cells_on_image((x.shape[2], x.shape[3]), stride, (height, width), device=x.device)
                for x, stride in zip(maps, generator.strides, strict=True)
            ]
        )
        boxes = gt.gt_boxes.tensor
        assignment = assign(anchors, boxes, per_level, valid).masked_fill(~valid, IGNORED)
        labels, matched = anchor_targets(assignment, boxes, gt.gt_classes, num_classes=num_classes)
        found.append((assignment, labels, matched))
    assignments, labels, matched = (torch.stack(x) for x in zip(*found, strict=True))
    return LabeledAnchors(anchors, strides, per_level, assignments, labels, matched)


def _round_up(side: int, divisibility: int) -> int:
    return -(-side // divisibility) * divisibility if divisibility > 1 else side


def lay_anchors(generator: DefaultAnchorGenerator, maps: Sequence[Tensor]) -> list[Tensor]:
    """Anchors of L maps, L tensors (Rl, 4), with sizes that ``torch.export`` follows.

    The generator itself counts in pixels, from which the number of cells has to be derived.
    """
    return [
        grid_anchors(cell_anchors + generator.offset * stride, (x.shape[-2], x.shape[-1]), stride)
        for cell_anchors, stride, x in zip(
            generator.cell_anchors, generator.strides, maps, strict=True
        )
    ]
