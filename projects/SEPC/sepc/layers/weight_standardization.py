"""Weight standardization of the kernels that make one map together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def standardized(weights: Sequence[Tensor]) -> list[Tensor]:
    """Kernels with mean 0 and variance 1 / fan-in in each output channel, all of them together.

    Source: https://arxiv.org/abs/1903.10520, "Weight Standardization". The terms of a pyramid
    convolution are one kernel over scale and space, so they are standardized as one: their sizes
    relative to each other stay learnable.

    Unlike the paper: divided by the square root of the fan-in as well, which keeps activations in
    their range whatever the number of channels (and in that of float16). A norm follows, which does
    not see the difference.

    Args:
        weights: (out channels, in channels, height, width) each, with the same output channels.

    Returns:
        tensors of the same shapes.
    """
    joint = torch.cat([weight.flatten(1) for weight in weights], dim=1)
    # the authors add 1e-5 to the standard deviation; like this a constant kernel has a gradient
    joint = F.layer_norm(joint, joint.shape[1:], eps=1e-10) * joint.shape[1] ** -0.5
    parts = joint.split([weight[0].numel() for weight in weights], dim=1)
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
