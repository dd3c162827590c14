"""FSAF: feature selective anchor-free branch (https://arxiv.org/abs/1903.00621).

As the authors of SEPC train it. Each cell has one square anchor, as wide as the stride, centered in
the cell; a box is predicted as the distances from that center to its sides, in strides, in the
order bottom, top, left, right (*TBLR* in the official code, which yet puts the bottom first).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .boxes import centers, decode_distances, encode_distances, upcast
from .focal import focal_loss
from .targets import BACKGROUND, IGNORED, is_positive, one_hot

_BTLR_FROM_LTRB = (3, 1, 0, 2)
_LTRB_FROM_BTLR = (2, 1, 3, 0)


def encode_btlr(anchors: Tensor, boxes: Tensor) -> Tensor:
    """(..., 4), (..., 4) -> distances (..., 4) to bottom, top, left, right, in anchor sides."""
    distances = encode_distances(centers(anchors), boxes)
    return (distances / _sides(anchors))[..., _BTLR_FROM_LTRB]


def decode_btlr(anchors: Tensor, btlr: Tensor) -> Tensor:
    """The inverse of :func:`encode_btlr`."""
    distances = upcast(btlr)[..., _LTRB_FROM_BTLR] * _sides(anchors)
    return decode_distances(centers(anchors), distances)


def _sides(anchors: Tensor) -> Tensor:
    """Width and height of anchors, twice: (..., 4)."""
    sizes = anchors[..., 2:] - anchors[..., :2]
    return torch.cat([sizes, sizes], dim=-1)


def effective_areas(
    anchors: Tensor,
    gt_boxes: Tensor,
    *,
    pos_scale: float,
    neg_scale: float,
    min_iof: float,
    far_margin: float,
) -> tuple[Tensor, Tensor]:
    """Which anchors lie in the effective and in the ignored area of which box.

    Source: FSAF, Sec 3.2, with anchors in the place of pixels: an anchor lies in a scaled box if
    more than ``min_iof`` of its own area does.

    Returns:
        positive (R, M): in the box scaled by ``pos_scale``, with the center inside the box itself
        (by ``far_margin`` at its right and bottom);
        ignored (R, M): in the box scaled by ``neg_scale``, and not positive.
    """
    points = centers(anchors).unsqueeze(1)
    inside = ((points > gt_boxes[:, :2]) & (points + far_margin < gt_boxes[:, 2:])).all(dim=-1)
    positive = inside & (_overlap(anchors, _scaled(gt_boxes, pos_scale)) > min_iof)
    ignored = (_overlap(anchors, _scaled(gt_boxes, neg_scale)) > min_iof) & ~positive
    return positive, ignored


def _scaled(boxes: Tensor, scale: float) -> Tensor:
    """Boxes of ``scale`` times the sides around the same centers."""
    half = (boxes[..., 2:] - boxes[..., :2]) * scale / 2
    return torch.cat([centers(boxes) - half, centers(boxes) + half], dim=-1)


def _overlap(anchors: Tensor, boxes: Tensor) -> Tensor:
    """The share of each anchor that lies in each box, (R, 4), (M, 4) -> (R, M)."""
    low = torch.maximum(anchors[:, None, :2], boxes[:, :2])
    high = torch.minimum(anchors[:, None, 2:], boxes[:, 2:])
    area = (anchors[:, 2:] - anchors[:, :2]).prod(dim=-1, keepdim=True)
    return (high - low).clamp(min=0).prod(dim=-1) / area


@torch.no_grad()
def fsaf_assign(
    anchors: Tensor,
    gt_boxes: Tensor,
    *,
    pos_scale: float = 0.2,
    neg_scale: float = 0.2,
    min_iof: float = 0.01,
    far_margin: float = 0.0,
) -> Tensor:
    """Give anchors to the ground truths of one image, at every level alike.

    An anchor in the effective areas of several boxes goes to the smallest, and one in any effective
    area is not ignored. The paper has ``neg_scale`` 0.5, the authors of SEPC 0.2.

    Unlike the official code: the smallest box wins whatever the order of the boxes. There the
    result of an argsort is used as if it were a rank, so that often a larger box wins.

    Args:
        anchors: (R, 4).
        gt_boxes: (M, 4).
        pos_scale: sides of the effective area, in sides of the box.
        neg_scale: sides of the ignored area.
        min_iof: share of an anchor that has to lie in a scaled box.
        far_margin: pixels that the center of an anchor keeps from the right and the bottom side of
            its box. The official code has 1: for the center alone it forgets that its far corners
            count the last pixel in.

    Returns:
        assignment (R,), int64.
    """
    assignment = anchors.new_full((len(anchors),), BACKGROUND, dtype=torch.long)
    if len(gt_boxes) == 0:
        return assignment
    positive, ignored = effective_areas(
        anchors,
        gt_boxes,
        pos_scale=pos_scale,
        neg_scale=neg_scale,
        min_iof=min_iof,
        far_margin=far_margin,
    )
    areas = (gt_boxes[:, 2:] - gt_boxes[:, :2]).prod(dim=-1)
    smallest, gt = torch.where(positive, areas, torch.inf).min(dim=1)
    assignment = assignment.masked_fill(ignored.any(dim=1), IGNORED)
    return torch.where(smallest.isfinite(), gt, assignment)


def btlr_iou_loss(
    predicted: Tensor, targets: Tensor, *, eps: float = 1e-6, min_union: float = 1.0
) -> Tensor:
    """-log IoU of boxes around one center, from their distances. Source: UnitBox (1608.01471).

    Args:
        predicted: (..., 4), not negative.
        targets: (..., 4), not negative.
        eps: IoUs below it count as it, without gradient.
        min_union: unions below it count as it. As in the official code it is one cell, so a box
            smaller than a cell has a loss even where it is met.

    Returns:
        (...), not reduced.
    """
    predicted = upcast(predicted)

    def area(bottom: Tensor, top: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return (bottom + top) * (left + right)

    overlap = area(*torch.minimum(predicted, targets).unbind(dim=-1))
    union = area(*predicted.unbind(dim=-1)) + area(*targets.unbind(dim=-1)) - overlap
    return -(overlap / union.clamp(min=min_union)).clamp(min=eps).log()


def level_losses(
    losses: Tensor, gt: Tensor, level: Tensor, *, num_gts: int, num_levels: int
) -> Tensor:
    """The mean loss of every ground truth at every level. Source: FSAF, Sec 3.3.

    Args:
        losses: (P,), of positive anchors.
        gt: (P,), index of their ground truth in the batch.
        level: (P,), their level.
        num_gts: ground truths of the batch.
        num_levels: L.

    Returns:
        (num_gts, L), infinite where a ground truth has no positive.
    """
    slot = gt * num_levels + level
    sums = losses.new_zeros(num_gts * num_levels).index_add_(0, slot, losses)
    counts = torch.zeros_like(sums).index_add_(0, slot, torch.ones_like(losses))
    means = torch.where(counts > 0, sums / counts.clamp(min=1), torch.inf)
    return means.view(num_gts, num_levels)


class FSAFLosses(NamedTuple):
    """Losses of a batch after the selection of levels.

    Attributes:
        cls: focal loss of each anchor, (N, R).
        box: IoU loss of each positive that was kept, 0 elsewhere, (N, R).
        kept: positives at the level of their ground truth, bool (N, R); divide both sums by their
            number.
        level_losses: what the levels were selected by, (sum of M, L).
    """

    cls: Tensor
    box: Tensor
    kept: Tensor
    level_losses: Tensor


def fsaf_losses(
    logits: Tensor,
    btlr: Tensor,
    anchors: Tensor,
    assignment: Tensor,
    labels: Tensor,
    matched_boxes: Tensor,
    *,
    num_gts: Sequence[int],
    num_anchors_per_level: Sequence[int],
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> FSAFLosses:
    """Focal and IoU loss with online selection of levels. Source: FSAF, Sec 3.3.

    Each ground truth is learned at the level where the mean loss of its positives is lowest now.
    At its other levels its anchors are no longer positive, nor negative for its class.

    Args:
        logits: (N, R, K).
        btlr: (N, R, 4), not negative.
        anchors: (R, 4).
        assignment: (N, R), from :func:`fsaf_assign`.
        labels: (N, R), see :func:`.targets.anchor_targets`.
        matched_boxes: (N, R, 4), from the same.
        num_gts: N numbers of ground truths, M of each image.
        num_anchors_per_level: L numbers that sum to R.
        alpha, gamma: of the focal loss.
    """
    num_images, num_anchors, num_classes = logits.shape
    num_levels = len(num_anchors_per_level)
    device = labels.device
    levels = torch.cat([torch.full((n,), i) for i, n in enumerate(num_anchors_per_level)])
    levels = levels.to(device).expand(num_images, num_anchors)
    first_gt = torch.tensor([0, *num_gts]).cumsum(0)[:-1].to(device).unsqueeze(1)

    positive = is_positive(labels, num_classes)
    targets = encode_btlr(anchors.expand_as(btlr)[positive], matched_boxes[positive])
    box_loss = btlr_iou_loss(btlr[positive], targets)
    cls_loss = focal_loss(logits, labels, alpha=alpha, gamma=gamma)

    gt = (assignment + first_gt)[positive]
    level = levels[positive]
    both = (cls_loss[positive].sum(dim=-1) + box_loss).detach()
    by_level = level_losses(both, gt, level, num_gts=sum(num_gts), num_levels=num_levels)
    kept = torch.zeros_like(positive)
    kept[positive] = by_level.argmin(dim=1)[gt] == level if len(by_level) else False

    dropped = (positive & ~kept).unsqueeze(-1) & one_hot(labels, num_classes)
    cls_loss = cls_loss.masked_fill(dropped, 0)
    box = box_loss.new_zeros(labels.shape).masked_scatter(positive, box_loss)
    return FSAFLosses(
        cls=cls_loss.sum(dim=-1), box=torch.where(kept, box, 0), kept=kept, level_losses=by_level
    )
