"""Focal loss from labels, which FSAF, ATSS and others share."""

import torch
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from .boxes import upcast
from .targets import one_hot


def focal_loss(logits: Tensor, labels: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Focal loss of every anchor and class. Source: RetinaNet (1708.02002), Eq. 5.

    Args:
        logits: (..., K).
        labels: (...), class, K for background, -1 for ignored, whose loss is zero.
        alpha: weight of the positive term; that of the negative one is 1 - alpha.
        gamma: exponent that turns easy examples down.

    Returns:
        (..., K), not reduced.
    """
    logits = upcast(logits)
    targets = one_hot(labels, logits.shape[-1]).to(logits.dtype)
    loss = sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma)
    return torch.where((labels >= 0).unsqueeze(-1), loss, 0)
