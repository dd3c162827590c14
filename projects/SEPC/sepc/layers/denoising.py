"""Encoders of DN-FPN: what a level has of geometry and of semantics, before FPN and after it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fast.single_column import pad_single_column
from .training_only import TrainingOnly


class Encodings(NamedTuple):
    """Encodings of L levels of N images, each (L, N, C).

    Attributes:
        geometric, semantic: of the levels of the pyramid.
        lateral_geometric, lateral_semantic: of the maps that they were made from.
    """

    geometric: Tensor
    semantic: Tensor
    lateral_geometric: Tensor
    lateral_semantic: Tensor


class DenoisingEncoders(TrainingOnly):
    """Two encoders, shared by all levels, and a 1x1 convolution for each map of the backbone.

    Source: DN-FPN (https://arxiv.org/abs/2406.05755), Sec III; the official code for what the paper
    leaves open.

    Unlike the official code: the 1x1 convolutions are parts of the module, so that they are
    trained and saved, which those of the official code are not; and the norm is a group norm of one
    group, as a batch norm can't be trained on a map of one cell.

    Args:
        in_channels: of the L maps of the backbone, fine to coarse.
        channels: C, of all levels of the pyramid.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Conv2d(width, channels, kernel_size=1) for width in in_channels
        )
        self.geometric = _Encoder(channels)
        self.semantic = _Encoder(channels)

    def forward(self, backbone: Sequence[Tensor], pyramid: Sequence[Tensor]) -> Encodings:
        """Encode L maps (N, width, Hl, Wl) of the backbone, and the levels (N, C, Hl, Wl) of them.

        Raises:
            ValueError: for other than L maps or levels.
        """
        if not len(backbone) == len(pyramid) == len(self.laterals):
            raise ValueError(
                f"expected {len(self.laterals)} maps of the backbone and as many levels, "
                f"got {len(backbone)} and {len(pyramid)}"
            )
        laterals = [conv(x) for conv, x in zip(self.laterals, backbone, strict=True)]
        return Encodings(
            self.geometric(pyramid),
            self.semantic(pyramid),
            self.geometric(laterals),
            self.semantic(laterals),
        )


class _Encoder(nn.Module):
    """Convolution, mean over the map, and two linear layers: L maps (N, C, Hl, Wl) -> (L, N, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, stride=2, padding=1)
        self.norm = nn.GroupNorm(1, channels)
        self.hidden = nn.Linear(channels, channels)
        self.output = nn.Linear(channels, channels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        vectors = [
            _leaky(self.norm(self.conv(pad_single_column(x)))).mean(dim=(2, 3)) for x in maps
        ]
        return self.output(_leaky(self.hidden(torch.stack(vectors))))


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, negative_slope=0.1)
