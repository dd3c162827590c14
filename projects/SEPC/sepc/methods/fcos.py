"""FCOS: which point learns which box (https://arxiv.org/abs/1904.01355)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .boxes import centers, encode_distances
from .targets import BACKGROUND


@torch.no_grad()
def fcos_assign(
    points: Tensor,
    gt_boxes: Tensor,
    num_points_per_level: Sequence[int],
    strides: Sequence[int],
    *,
    max_distance: float = 8.0,
    center_radius: float = 1.5,
) -> Tensor:
    """Give points to the ground truths of one image. Source: FCOS, Sec. 3.2, and center sampling.

    A point learns a box that it lies in, near the center of which it is, and whose farthest side
    has a distance that is its level's. Of several boxes it learns the smallest.

    Args:
        points: (R, 2).
        gt_boxes: (M, 4).
        num_points_per_level: L numbers that sum to R.
        strides: L, fine to coarse, in pixels.
        max_distance: from a point to the farthest side, in strides of its level; what a finer level
            takes is not taken. The finest level takes all smaller, the coarsest all larger ones.
            The paper's ranges (0, 64), (64, 128), ... at strides 8, 16, ... are 8.
        center_radius: from the center of a box to its points, along either axis, in strides.

    Returns:
        assignment (R,), int64.
    """
    assignment = points.new_full((len(points),), BACKGROUND, dtype=torch.long)
    if len(gt_boxes) == 0:
        return assignment
    far = [max_distance * stride for stride in strides]
    ranges = points.new_tensor(
        list(zip([0.0, *far[:-1]], [*far[:-1], torch.inf], strides, strict=True))
    )
    per_level = torch.tensor(num_points_per_level, device=points.device)
    nearest, farthest, stride = ranges.repeat_interleave(per_level, dim=0).unbind(dim=1)

    sides = encode_distances(points, gt_boxes.unsqueeze(1))  # (M, R, 4)
    to_center = (points - centers(gt_boxes).unsqueeze(1)).abs().amax(dim=-1)
    distance = sides.amax(dim=-1)
    positive = (sides.amin(dim=-1) > 0) & (to_center < center_radius * stride)
    positive &= (distance > nearest) & (distance < farthest)
    areas = (gt_boxes[:, 2:] - gt_boxes[:, :2]).prod(dim=1, keepdim=True)
    smallest, gt = torch.where(positive, areas, torch.inf).min(dim=0)
    return torch.where(smallest.isfinite(), gt, assignment)
