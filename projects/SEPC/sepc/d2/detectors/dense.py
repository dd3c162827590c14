"""What the detectors with methods of our own share: labeled anchors, decoding, normalizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from detectron2.layers import batched_nms
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from torch import Tensor

from ...methods.anchors import cells_on_image
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
    features: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    gt_instances: Sequence[Instances],
    *,
    assign: Assign,
    num_classes: int,
    divisibility: int,
) -> LabeledAnchors:
    """Lay the anchors and label them; those on the padding of a batch are ignored.

    As in the reference codebases an image counts with its own padding, up to the next multiple of
    ``divisibility``.

    Args:
        generator: of one anchor per position.
        features: L maps of the sizes on which the anchors are laid.
        image_sizes: N times height and width.
        gt_instances: N, with ``gt_boxes`` and ``gt_classes``.
        assign: which anchor belongs to which ground truth of an image.
        num_classes: K.
        divisibility: of the sizes of images by themselves, in pixels.
    """
    levels = generator(features)
    per_level = [len(x) for x in levels]
    anchors = Boxes.cat(levels).tensor
    strides = torch.cat(
        [anchors.new_full((n,), s) for n, s in zip(per_level, generator.strides, strict=True)]
    )
    found = []
    for image_size, gt in zip(image_sizes, gt_instances, strict=True):
        height, width = (_round_up(side, divisibility) for side in image_size)
        valid = torch.cat(
            [
                cells_on_image((x.shape[2], x.shape[3]), stride, (height, width), device=x.device)
                for x, stride in zip(features, generator.strides, strict=True)
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


class _DecodedBoxes:
    """What Detectron2's choice of candidates needs of a detector, where boxes are decoded."""

    _decode_per_level_predictions = DenseDetector._decode_per_level_predictions
    _decode_multi_level_predictions = DenseDetector._decode_multi_level_predictions

    def __init__(self) -> None:
        self.box2box_transform = self

    def apply_deltas(self, boxes: Tensor, _anchors: Tensor) -> Tensor:
        return boxes


def choose(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    *,
    topk: int,
    image_size: tuple[int, int],
) -> Instances:
    """The candidates of one image for NMS, as Detectron2 chooses them.

    Args:
        boxes: L tensors (Rl, 4).
        scores: L tensors (Rl, K); those above 0 are candidates, the ``topk`` best of each level.
        topk: candidates per level at most.
        image_size: height and width.
    """
    return _DecodedBoxes()._decode_multi_level_predictions(
        [Boxes(x) for x in boxes], scores, boxes, 0.0, topk, image_size
    )


def suppress(candidates: Instances, *, iou_threshold: float, max_detections: int) -> Instances:
    """NMS within each class, and no more than ``max_detections``, best first."""
    keep = batched_nms(
        candidates.pred_boxes.tensor, candidates.scores, candidates.pred_classes, iou_threshold
    )
    return candidates[keep[:max_detections]]


def process_average(count: Tensor) -> Tensor:
    """The mean of a scalar over all processes, at least 1: what a sum of losses is divided by."""
    count = count.detach()
    if comm.get_world_size() > 1:
        count = count / comm.get_world_size()
        dist.all_reduce(count)
    return count.clamp(min=1)


def above(scores: Tensor, threshold: float, *factors: Tensor) -> Tensor:
    """``scores`` times ``factors`` where the score itself is above the threshold, 0 elsewhere."""
    product = scores
    for factor in factors:
        product = product * factor
    return torch.where(scores > threshold, product, 0)
