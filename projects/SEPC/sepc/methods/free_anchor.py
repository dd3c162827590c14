"""FreeAnchor: learning to match anchors (https://arxiv.org/abs/1909.02466).

There is no assignment: each ground truth has a bag of anchors, and learning weighs them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from .boxes import decode_deltas, encode_deltas, upcast

# Probabilities above 1 minus this weigh no more in a bag.
_MIN_COMPLEMENT = 1e-12


@torch.no_grad()
def anchor_bags(anchors: Tensor, gt_boxes: Tensor, *, bag_size: int = 50) -> Tensor:
    """The anchors of highest IoU with each ground truth. Source: FreeAnchor, Sec 3.3.

    Args:
        anchors: (R, 4).
        gt_boxes: (M, 4).
        bag_size: anchors in a bag; all there are if R is smaller.

    Returns:
        indices (M, bag), int64.
    """
    return box_iou(gt_boxes, anchors).topk(min(bag_size, len(anchors)), dim=1).indices


def positive_bag_loss(log_probability: Tensor) -> Tensor:
    """-log of the mean-max of each bag. Source: FreeAnchor, Eq. 4 and 6.

    Mean-max weighs an anchor of probability p by 1 / (1 - p): a plain mean while all are small, the
    maximum once one is near 1. Unlike the official code: computed from logarithms, so a bag whose
    probabilities vanish in float32 still has a finite loss and a gradient.

    Args:
        log_probability: (M, bag), logarithm of classification times localization probability.

    Returns:
        (M,), not reduced.
    """
    complement = -torch.expm1(log_probability)
    log_weight = -complement.clamp(min=_MIN_COMPLEMENT).log()
    weighted = torch.logsumexp(log_weight + log_probability, dim=1)
    return torch.logsumexp(log_weight, dim=1) - weighted


@torch.no_grad()
def box_probability(
    predicted_boxes: Tensor,
    gt_boxes: Tensor,
    gt_classes: Tensor,
    *,
    num_classes: int,
    threshold: float = 0.6,
) -> Tensor:
    """The probability that each anchor localizes an object of each class, without gradient.

    Source: FreeAnchor, Sec 3.2 and Eq. 5: per ground truth it rises linearly from 0 at the IoU
    ``threshold`` to 1 at the highest IoU there is. Unlike the official code: a ground truth that
    nothing reaches the threshold for gives 0 everywhere, not a division by zero.

    Args:
        predicted_boxes: (R, 4), not clipped to the image.
        gt_boxes: (M, 4).
        gt_classes: (M,), in [0, K).
        num_classes: K.
        threshold: IoU.

    Returns:
        (R, K).
    """
    ious = box_iou(gt_boxes, predicted_boxes)  # (M, R)
    span = ious.amax(dim=1, keepdim=True) - threshold
    ramp = ((ious - threshold) / span.clamp(min=torch.finfo(ious.dtype).tiny)).clamp(0, 1)
    ramp = torch.where(span > 0, ramp, 0)
    by_class = ramp.new_zeros(num_classes, len(predicted_boxes))
    by_class.scatter_reduce_(0, gt_classes.unsqueeze(1).expand_as(ramp), ramp, "amax")
    return by_class.t()


def negative_bag_loss(logits: Tensor, localized: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Focal loss of being an object that is not localized. Source: FreeAnchor, Eq. 5 and 7.

    Args:
        logits: (..., K).
        localized: (..., K), probabilities from :func:`box_probability`.
        gamma: exponent that turns easy examples down.

    Returns:
        (..., K), not reduced: -q^gamma log(1 - q), q = sigmoid(logits) * (1 - localized).
    """
    logits = upcast(logits)
    q = logits.sigmoid() * (1 - localized)
    # 1 - q = sigmoid(-x) + sigmoid(x) * localized, in logarithms, is never taken for 0
    log_complement = torch.logaddexp(F.logsigmoid(-logits), F.logsigmoid(logits) + localized.log())
    return -q.pow(gamma) * log_complement


class FreeAnchorLosses(NamedTuple):
    """Sums over a batch, and what to divide them by (scalars).

    Attributes:
        positive: alpha times the loss of the positive bags; by ``num_gts``.
        negative: 1 - alpha times the loss of the negative bag; by ``num_gts * bag_size``.
        num_gts: ground truths.
    """

    positive: Tensor
    negative: Tensor
    num_gts: int


def free_anchor_losses(
    logits: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    gt_boxes: Sequence[Tensor],
    gt_classes: Sequence[Tensor],
    *,
    delta_weights: Sequence[float] = (10.0, 10.0, 5.0, 5.0),
    bag_size: int = 50,
    threshold: float = 0.6,
    alpha: float = 0.5,
    gamma: float = 2.0,
    smooth_l1_beta: float = 0.11,
    box_loss_weight: float = 0.75,
) -> FreeAnchorLosses:
    """Both losses of FreeAnchor. Source: FreeAnchor, Eq. 7 (detection customized loss).

    Args:
        logits: (N, R, K).
        deltas: (N, R, 4), as :func:`.boxes.decode_deltas` takes them.
        anchors: (R, 4).
        gt_boxes: N tensors (M, 4).
        gt_classes: N tensors (M,), in [0, K); left as they are.
        delta_weights: of the deltas.
        bag_size, threshold: see :func:`anchor_bags` and :func:`box_probability`.
        alpha: share of the positive loss.
        gamma: of the negative loss.
        smooth_l1_beta: where the box loss turns linear.
        box_loss_weight: the localization probability is exp(-weight * smooth L1).
    """
    logits, deltas = upcast(logits), upcast(deltas)
    positive = (logits.sum() + deltas.sum()) * 0  # in the graph without any image or box too
    negative = logits.new_zeros(())
    for image, (boxes, classes) in enumerate(zip(gt_boxes, gt_classes, strict=True)):
        bags = anchor_bags(anchors, boxes, bag_size=bag_size)  # (M, bag)
        wanted = encode_deltas(anchors[bags], boxes.unsqueeze(1), delta_weights)
        box_loss = F.smooth_l1_loss(
            deltas[image][bags], wanted, beta=smooth_l1_beta, reduction="none"
        ).sum(dim=-1)
        log_cls = F.logsigmoid(logits[image][bags, classes.unsqueeze(1)])
        positive = positive + positive_bag_loss(log_cls - box_loss_weight * box_loss).sum()

        localized = box_probability(
            decode_deltas(anchors, deltas[image].detach(), delta_weights),
            boxes,
            classes,
            num_classes=logits.shape[-1],
            threshold=threshold,
        )
        negative = negative + negative_bag_loss(logits[image], localized, gamma=gamma).sum()
    return FreeAnchorLosses(
        positive=alpha * positive,
        negative=(1 - alpha) * negative,
        num_gts=sum(len(boxes) for boxes in gt_boxes),
    )
