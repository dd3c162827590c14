"""ATSS: adaptive training sample selection (https://arxiv.org/abs/1912.02424)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, generalized_box_iou_loss

from .boxes import centers, decode_deltas, encode_distances, upcast
from .focal import focal_loss
from .targets import BACKGROUND, is_positive, num_positives


@torch.no_grad()
def atss_assign(
    anchors: Tensor,
    gt_boxes: Tensor,
    num_anchors_per_level: Sequence[int],
    *,
    topk: int = 9,
    valid: Tensor | None = None,
    min_inside: float = 0.01,
) -> Tensor:
    """Give anchors to the ground truths of one image. Source: ATSS, Algorithm 1.

    The candidates of a ground truth are, at each level, the ``topk`` anchors whose centers are
    nearest to its own. A candidate is positive if its IoU reaches the mean plus the standard
    deviation of the IoUs of all candidates, and its center lies inside the ground truth. An anchor
    claimed by several goes to the one of highest IoU.

    Args:
        anchors: (R, 4).
        gt_boxes: (M, 4).
        num_anchors_per_level: L numbers that sum to R.
        topk: candidates per level; all there are where a level has fewer.
        valid: (R,) bool, anchors that may be candidates; all by default.
        min_inside: pixels from the center of an anchor to the nearest side of the box.

    Returns:
        assignment (R,), int64.
    """
    assignment = anchors.new_full((len(anchors),), BACKGROUND, dtype=torch.long)
    if len(gt_boxes) == 0:
        return assignment
    points, gt_points = centers(anchors), centers(gt_boxes)
    # exact, as the nearest anchors of a box often differ by less than the fast form's rounding
    distances = torch.cdist(gt_points, points, compute_mode="donot_use_mm_for_euclid_dist")
    if valid is not None:
        distances = distances.masked_fill(~valid, torch.inf)

    nearest, indices, start = [], [], 0
    for level in distances.split(list(num_anchors_per_level), dim=1):
        near, index = level.topk(min(topk, level.shape[1]), dim=1, largest=False)
        nearest.append(near)
        indices.append(index + start)
        start += level.shape[1]
    candidates = torch.cat(indices, dim=1)  # (M, candidates)
    is_candidate = torch.cat(nearest, dim=1).isfinite()

    ious = box_iou(gt_boxes, anchors)  # (M, R)
    candidate_ious = ious.gather(1, candidates)
    threshold = _mean_plus_deviation(candidate_ious, is_candidate)
    to_sides = encode_distances(points[candidates], gt_boxes.unsqueeze(1))
    positive = is_candidate & (candidate_ious >= threshold) & (to_sides.amin(dim=-1) > min_inside)

    claims = torch.full_like(ious, -1)
    claims.scatter_(1, candidates, torch.where(positive, candidate_ious, -1))
    best_iou, best_gt = claims.max(dim=0)
    return torch.where(best_iou >= 0, best_gt, assignment)


def _mean_plus_deviation(values: Tensor, mask: Tensor) -> Tensor:
    """Mean plus unbiased deviation of the masked values of each row, (M, n) -> (M, 1).

    In double precision, so that candidates of one and the same IoU reach their own mean; a single
    candidate has the deviation 0.
    """
    values = values.double()
    count = mask.sum(dim=1, keepdim=True)
    mean = (values * mask).sum(dim=1, keepdim=True) / count.clamp(min=1)
    squares = ((values - mean).square() * mask).sum(dim=1, keepdim=True)
    return mean + (squares / (count - 1).clamp(min=1)).sqrt()


def centerness_targets(points: Tensor, boxes: Tensor) -> Tensor:
    """How central points lie in their boxes: 1 in the middle, 0 at a side and outside.

    Source: FCOS (https://arxiv.org/abs/1904.01355), Eq. 3.

    Args:
        points: (..., 2).
        boxes: (..., 4).
    """
    left, top, right, bottom = encode_distances(points, boxes).clamp(min=0).unbind(dim=-1)
    tiny = torch.finfo(left.dtype).tiny
    horizontal = torch.minimum(left, right) / torch.maximum(left, right).clamp(min=tiny)
    vertical = torch.minimum(top, bottom) / torch.maximum(top, bottom).clamp(min=tiny)
    return (horizontal * vertical).sqrt()


class ATSSLosses(NamedTuple):
    """Sums over a batch, and what to divide them by (scalars).

    Attributes:
        cls: focal loss; by ``num_positives``.
        box: GIoU loss weighted by the centerness target; by ``total_centerness``.
        centerness: binary cross entropy; by ``num_positives``.
        num_positives: positive anchors.
        total_centerness: sum of their centerness targets.
    """

    cls: Tensor
    box: Tensor
    centerness: Tensor
    num_positives: Tensor
    total_centerness: Tensor


def atss_losses(
    logits: Tensor,
    deltas: Tensor,
    centerness: Tensor,
    anchors: Tensor,
    labels: Tensor,
    matched_boxes: Tensor,
    *,
    delta_weights: Sequence[float] = (10.0, 10.0, 5.0, 5.0),
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> ATSSLosses:
    """The three losses of ATSS. Source: ATSS, Sec 4 (those of FCOS with GIoU).

    Args:
        logits: (N, R, K).
        deltas: (N, R, 4), as :func:`.boxes.decode_deltas` takes them.
        centerness: (N, R), logits.
        anchors: (R, 4).
        labels: (N, R), see :func:`.targets.anchor_targets`.
        matched_boxes: (N, R, 4), from the same.
        delta_weights: of the deltas.
        alpha, gamma: of the focal loss.
    """
    positive = is_positive(labels, logits.shape[-1])
    positive_anchors = anchors.expand_as(deltas)[positive]
    boxes = matched_boxes[positive]
    targets = centerness_targets(centers(positive_anchors), boxes)
    predicted = decode_deltas(positive_anchors, deltas[positive], delta_weights)
    return ATSSLosses(
        cls=focal_loss(logits, labels, alpha=alpha, gamma=gamma).sum(),
        box=(generalized_box_iou_loss(predicted, boxes) * targets).sum(),
        centerness=F.binary_cross_entropy_with_logits(
            upcast(centerness[positive]), targets, reduction="sum"
        ),
        num_positives=num_positives(labels, logits.shape[-1]),
        total_centerness=targets.sum(),
    )
