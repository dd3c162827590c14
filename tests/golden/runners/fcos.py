"""FCOS's losses of mmdetection 1.x, put together from the package's boxes and focal loss.

The project's FCOS is Detectron2's own. Points, assignment and divisors differ, so they are here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sepc.methods.atss import centerness_targets
from sepc.methods.boxes import decode_distances, encode_distances, from_inclusive, paired_iou
from sepc.methods.focal import focal_loss
from sepc.methods.targets import BACKGROUND

from ..case import Case
from .dense import (
    batch_targets,
    check_equal,
    check_losses,
    flatten,
    ground_truth,
    level_sizes,
    predictions,
)


def points_by_level(case: Case) -> list[Tensor]:
    levels = []
    for (height, width), stride in zip(level_sizes(case), case.spec["strides"], strict=True):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        points = torch.stack([x, y], dim=-1).reshape(-1, 2) * stride + stride // 2
        levels.append(points.float())
    return levels


def assign(points: Tensor, ranges: Tensor, boxes: Tensor) -> Tensor:
    """The smallest box that a point lies in, if its largest distance is in the level's range."""
    distances = encode_distances(points.unsqueeze(1), boxes)  # (R, M, 4)
    largest = distances.amax(dim=-1)
    fits = (distances.amin(dim=-1) > 0) & (largest >= ranges[:, :1]) & (largest <= ranges[:, 1:])
    inclusive = from_inclusive(boxes)
    areas = (inclusive[:, 2:] - inclusive[:, :2]).prod(dim=1)
    smallest, gt = torch.where(fits, areas, torch.inf).min(dim=1)
    return torch.where(smallest.isfinite(), gt, BACKGROUND)


def run(case: Case) -> None:
    config = case.config
    assert not config["center_sampling"], "a case with center sampling, which is not written here"
    num_classes = config["num_fg_classes"]
    boxes, classes = ground_truth(case, first_class=1)
    levels = points_by_level(case)
    for level, points in enumerate(levels):
        check_equal(case, f"points{level}", points, case.arrays[f"points{level}"])
    points = torch.cat(levels)
    sizes = [len(level) for level in levels]
    ranges = torch.tensor(config["regress_ranges"]).repeat_interleave(torch.tensor(sizes), dim=0)
    assigned = [assign(points, ranges, b) for b in boxes]
    labels, matched = batch_targets(assigned, boxes, classes, num_classes)
    positive = torch.stack(assigned) >= 0
    check_targets(case, sizes, labels, positive, encode_distances(points, matched))

    def losses(maps: dict[str, list[Tensor]]) -> dict[str, Tensor]:
        logits = flatten(maps["cls"], num_classes)
        distances = flatten(maps["box"], 4)[positive]
        centerness = flatten(maps["ctr"], 1).squeeze(-1)[positive]
        positive_points = points.expand(len(boxes), -1, -1)[positive]
        gt_boxes = matched[positive]
        targets = centerness_targets(positive_points, gt_boxes)
        # overlaps in the reference count the last pixel in, all else does not
        predicted = from_inclusive(decode_distances(positive_points, distances))
        ious = paired_iou(predicted, from_inclusive(gt_boxes))
        cls = focal_loss(logits, labels, **config["focal"])
        return {
            "loss_cls": cls.sum() / (positive.sum() + len(boxes)),
            "loss_bbox": (-ious.log() * targets).sum() / targets.sum(),
            "loss_centerness": F.binary_cross_entropy_with_logits(centerness, targets),
        }

    check_losses(case, predictions(case, "cls", "box", "ctr"), losses)


def check_targets(
    case: Case, sizes: list[int], labels: Tensor, positive: Tensor, distances: Tensor
) -> None:
    """The reference has the images of a level one after the other, and 0 for background."""
    reference_labels = torch.where(positive, labels + 1, 0).split(sizes, dim=1)
    reference_boxes = torch.where(positive.unsqueeze(-1), distances, 0).split(sizes, dim=1)
    for level in range(case.num_levels):
        name = f"labels{level}"
        check_equal(case, name, reference_labels[level].flatten(), case.arrays[name])
        expected = case.arrays[f"bbox_targets{level}"]
        torch.testing.assert_close(reference_boxes[level].flatten(0, 1), expected)


RUNNERS = {"fcos": run}
