"""Focal loss from labels, which FSAF, ATSS and others share."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from .boxes import upcast
from .targets import one_hot


def focal_loss(logits: Tensor, labels: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss of every anchor and class. Source: RetinaNet (1708.02002), Eq. 5.

    Args:
        logits: (..., K).
        labels: (...), class, K for background, -1 for ignored, whose loss is zero.
        alpha: weight of the positive term; that of the negative one is 1 - alpha. Below 0 both
            are 1.
        gamma: exponent that turns easy examples down. With 0, and alpha below 0, it is the cross
            entropy of Sampling-Free (https://arxiv.org/abs/1909.04868).

    Returns:
        (..., K), not reduced.
    """
    logits = upcast(logits)
    targets = one_hot(labels, logits.shape[-1])
    if alpha < 0 and gamma == 0:
        # of a probability of 1e-5 torch's own form of it has an error of 5 % in float32
        loss = F.softplus(torch.where(targets, -logits, logits))
    else:
        loss = sigmoid_focal_loss(logits, targets.to(logits.dtype), alpha=alpha, gamma=gamma)
    return torch.where((labels >= 0).unsqueeze(-1), loss, 0)
