"""GFL: generalized focal loss (https://arxiv.org/abs/2006.04388).

Assignment is that of ATSS (:func:`.atss.atss_assign`). A side of a box is predicted as a
distribution over the distances 0, 1, ..., B in strides, from the center of the anchor.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from .boxes import centers, decode_distances, encode_distances, paired_iou, upcast
from .targets import is_positive, num_positives, one_hot

# Targets stay this far below the last distance, so that a bin to their right is left.
_LAST_BIN_MARGIN = 0.1


def quality_focal_loss(
    logits: Tensor, labels: Tensor, quality: Tensor, *, beta: float = 2.0
) -> Tensor:
    """QFL: cross entropy to a soft target, turned down where it is met. Source: GFL, Eq. 4 / 5.

    Args:
        logits: (..., K).
        labels: (...), class, K for background, -1 for ignored, whose loss is zero.
        quality: (...), target in [0, 1] of the class of a positive; read nowhere else.
        beta: exponent of the distance between prediction and target.

    Returns:
        the sum, a scalar.
    """
    logits = upcast(logits)
    targets = torch.where(one_hot(labels, logits.shape[-1]), quality.unsqueeze(-1), 0)
    targets = targets.to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = entropy * (targets - logits.sigmoid()).abs().pow(beta)
    return torch.where((labels >= 0).unsqueeze(-1), loss, 0).sum()


def distribution_focal_loss(bin_logits: Tensor, targets: Tensor) -> Tensor:
    """DFL: cross entropy to the two bins around the target. Source: GFL, Eq. 6.

    Args:
        bin_logits: (..., B + 1).
        targets: (...), distances in strides; clamped to [0, B - 0.1].

    Returns:
        (...), not reduced.
    """
    log_probability = upcast(bin_logits).log_softmax(dim=-1)
    targets = targets.clamp(0, bin_logits.shape[-1] - 1 - _LAST_BIN_MARGIN)
    left = targets.floor()
    share_of_right = targets - left
    index = left.long().unsqueeze(-1)
    left_loss = -log_probability.gather(-1, index).squeeze(-1)
    right_loss = -log_probability.gather(-1, index + 1).squeeze(-1)
    return left_loss * (1 - share_of_right) + right_loss * share_of_right


def integral(bin_logits: Tensor) -> Tensor:
    """Expected distance of a distribution, (..., B + 1) -> (...), in strides. Source: GFL, Eq. 3.

    A sum and not a matrix product, which autocast would take to half precision.
    """
    probability = upcast(bin_logits).softmax(dim=-1)
    bins = torch.arange(bin_logits.shape[-1], dtype=probability.dtype, device=bin_logits.device)
    return (probability * bins).sum(dim=-1)


def decode_distributions(anchors: Tensor, strides: Tensor, distributions: Tensor) -> Tensor:
    """Boxes in pixels from predicted distributions.

    Args:
        anchors: (R, 4).
        strides: (R,), of the level of each anchor.
        distributions: (..., R, 4 * (B + 1)), logits: left, top, right, bottom, bins fastest.

    Returns:
        (..., R, 4).
    """
    distances = integral(distributions.unflatten(-1, (4, -1)))
    return decode_distances(centers(anchors), distances * strides.unsqueeze(-1))


class GFLLosses(NamedTuple):
    """Sums over a batch, and what to divide them by (scalars).

    Attributes:
        quality: QFL; by ``num_positives``.
        box: GIoU loss of positives weighted by their highest class score; by ``total_weight``.
        distribution: DFL, mean of the four sides, weighted so too; by ``total_weight``.
        num_positives: positive anchors.
        total_weight: sum of the weights.
    """

    quality: Tensor
    box: Tensor
    distribution: Tensor
    num_positives: Tensor
    total_weight: Tensor


def gfl_losses(
    logits: Tensor,
    distributions: Tensor,
    anchors: Tensor,
    strides: Tensor,
    labels: Tensor,
    matched_boxes: Tensor,
    *,
    beta: float = 2.0,
) -> GFLLosses:
    """The three losses of GFL. Source: GFL, Sec 3.

    The quality target is the IoU of the predicted box, without gradient, as is the weight of a
    positive, its highest class score. Boxes are compared in strides.

    Args:
        logits: (N, R, K).
        distributions: (N, R, 4 * (B + 1)), see :func:`decode_distributions`.
        anchors: (R, 4).
        strides: (R,), of the level of each anchor.
        labels: (N, R), see :func:`.targets.anchor_targets`.
        matched_boxes: (N, R, 4), from the same.
        beta: of the quality focal loss.
    """
    num_classes = logits.shape[-1]
    positive = is_positive(labels, num_classes)
    stride = strides.expand_as(labels)[positive].unsqueeze(-1)
    points = centers(anchors).expand(*labels.shape, 2)[positive] / stride
    boxes = matched_boxes[positive] / stride
    bin_logits = distributions[positive].unflatten(-1, (4, -1))
    predicted = decode_distances(points, integral(bin_logits))

    scores = upcast(logits.detach())[positive].sigmoid()
    weights = scores.amax(dim=-1)
    quality = torch.zeros(labels.shape, dtype=weights.dtype, device=labels.device)
    quality[positive] = paired_iou(predicted.detach(), boxes)
    dfl = distribution_focal_loss(bin_logits, encode_distances(points, boxes))
    return GFLLosses(
        quality=quality_focal_loss(logits, labels, quality, beta=beta),
        box=(generalized_box_iou_loss(predicted, boxes) * weights).sum(),
        distribution=(dfl.mean(dim=-1) * weights).sum(),
        num_positives=num_positives(labels, num_classes),
        total_weight=weights.sum(),
    )
