"""A toy method: anchors in the middle of a box learn its class and the way to its sides."""

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from sepc.methods.boxes import centers, encode_distances
from sepc.methods.focal import focal_loss
from sepc.methods.targets import BACKGROUND, is_positive


def middles_assign(anchors: Tensor, gt_boxes: Tensor) -> Tensor:
    """(R, 4) and (M, 4) -> (R,): the smallest box whose middle half holds the anchor's center."""
    if not len(gt_boxes):
        return anchors.new_full((len(anchors),), BACKGROUND, dtype=torch.long)
    sizes = gt_boxes[:, 2:] - gt_boxes[:, :2]
    inside = ((centers(anchors)[:, None] - centers(gt_boxes)).abs() < sizes / 4).all(dim=-1)
    area, index = torch.where(inside, sizes.prod(dim=-1), torch.inf).min(dim=1)
    return torch.where(area.isfinite(), index, BACKGROUND)


def middles_losses(logits, distances, anchors, strides, labels, boxes):
    """Sums of the classification and the box loss, and the number of positives."""
    positive = is_positive(labels, logits.shape[-1])
    targets = encode_distances(centers(anchors), boxes) / strides[:, None]
    cls = focal_loss(logits, labels, alpha=0.25, gamma=2.0).sum()
    box = smooth_l1_loss(distances[positive], targets[positive], reduction="sum")
    return cls, box, positive.sum()
