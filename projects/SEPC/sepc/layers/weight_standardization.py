"""Weight standardization of the kernels that make one map together: it belongs to BCN."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .level_conv import LevelKernel, SharedConv
from .pyramid_conv import PyramidConv


def standardized(weights: Sequence[Tensor]) -> list[Tensor]:
    """Standardize kernels, all together: mean 0, variance 1 / fan-in in each output channel.

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


class StandardizedWeights:
    """Wrapper, as a base class, of a convolution with ``kernels()``: standardizes their weights.

    The names of the weights stay, so a state dict fits with and without it.
    """

    weight_standardization = True

    def kernels(self) -> Sequence[LevelKernel]:
        """Kernels of the wrapped convolution, which compute with standardized weights."""
        kernels: Any = super().kernels()  # type: ignore[misc]
        if not self.weight_standardization:
            return kernels
        weights = standardized([kernel.weight for kernel in kernels])
        return [partial(k, weight=weight) for k, weight in zip(kernels, weights, strict=True)]

    def bake_weights(self) -> None:
        """Put the standardized weights in place of the weights, for inference alone."""
        kernels: Any = self.kernels()
        if self.weight_standardization:
            for kernel in kernels:
                kernel.func.weight = nn.Parameter(kernel.keywords["weight"], requires_grad=False)
        self.weight_standardization = False


class StandardizedPyramidConv(StandardizedWeights, PyramidConv):
    """:class:`PyramidConv` with its three kernels standardized as one."""


class StandardizedSharedConv(StandardizedWeights, SharedConv):
    """:class:`SharedConv` with its kernel standardized."""
