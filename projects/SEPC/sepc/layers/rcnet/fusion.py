"""Fusion of a level with its neighbors: the node of the reverse feature pyramid RevFP."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..norms import NormFactory
from .normed_conv import spatial
from .resize import halve, upsample


class Gate(nn.Conv2d):
    """Share of the first of two maps in their mixture, one number per image (dynamic fusion).

    It starts at one half.

    Args:
        channels: of either map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(2 * channels, 1, 1)
        _zero(self)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:  # type: ignore[override]
        """Predict (N, 1, 1, 1) in (0, 1) from the means of two maps (N, C, H, W)."""
        means = [x.mean((2, 3), keepdim=True) for x in (first, second)]
        return super().forward(torch.cat(means, dim=1)).sigmoid()


class UpsamplingGuide(nn.Module):
    """Weight of each cell of an upsampled map, by its agreement with the map it goes to.

    The weights of an image have a mean of one, and start alike.

    Args:
        channels: C of either map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, 1, 3, padding=1)
        self.temperature = nn.Parameter(torch.ones(1))
        self.scale = channels**-0.5
        _zero(self.conv)

    def forward(self, fine: Tensor, upsampled: Tensor) -> Tensor:
        """Weights (N, 1, H, W) of two maps (N, C, H, W)."""
        logits = self.conv(torch.cat([fine, upsampled], dim=1)) * (self.temperature * self.scale)
        weights = logits.flatten(2).softmax(dim=-1).view_as(logits)
        return weights * (logits.shape[-2] * logits.shape[-1])


class FusionNode(nn.Module):
    """A level of RevFP: itself and its coarser neighbor, then the finer one, which is done already.

    Source: RCNet (https://arxiv.org/abs/2110.12130), Sec 3.2; its code for what the paper leaves
    open: every convolution has a ReLU before it and a norm behind, and the mean that a gate reads
    of an upsampled map is that before the guide weighs it.

    Args:
        channels: C of all levels.
        has_coarser, has_finer: whether the level has such a neighbor.
        norm: after each convolution, see :func:`sepc.layers.make_norm`.
        deform_groups: of the convolutions, 0 for ordinary ones.
    """

    def __init__(
        self,
        channels: int,
        *,
        has_coarser: bool,
        has_finer: bool,
        norm: str | NormFactory | None,
        deform_groups: int,
    ) -> None:
        super().__init__()
        conv: dict[str, Any] = dict(norm=norm, deform_groups=deform_groups)
        self.gates = nn.ModuleList(Gate(channels) for _ in range(has_coarser + has_finer))
        self.guide = UpsamplingGuide(channels) if has_coarser else None
        self.middle = spatial(channels, **conv) if has_coarser and has_finer else None
        self.out = spatial(channels, **conv)

    def forward(self, x: Tensor, *, coarser: Tensor | None, finer: Tensor | None) -> Tensor:
        """Fuse (N, C, Hl, Wl) with what there is of its coarser and its finer level."""
        if coarser is not None and self.guide is not None:
            coarser = upsample(coarser, x.shape[-2:])
            x = _mix(self.gates[0](x, coarser), x, self.guide(x, coarser) * coarser)
        if self.middle is not None:
            x = self.middle(F.relu(x))
        if finer is not None:
            finer = halve(finer)
            x = _mix(self.gates[-1](x, finer), x, finer)
        return self.out(F.relu(x))


def _mix(share: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return share * first + (1 - share) * second


def _zero(conv: nn.Conv2d) -> None:
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
