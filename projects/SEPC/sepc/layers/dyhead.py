"""Dynamic head (DyHead): scale, spatial and task attention over the pyramid, in place of towers."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deform_conv import deform_conv2d_levels
from .pyramid import check_pyramid
from .pyramid_conv import upsample

# How the coarser level is sampled by offsets that lie on the finer one's cells
RESIZED = "resized"  # it is resized first: offsets and cells agree
MISREAD = "misread"  # as the public implementations compute it, for their weights

_TAPS = 9  # of a 3x3 kernel


class DyHead(nn.Module):
    """Blocks of dynamic head, in and out like :class:`SEPC`: both tasks read the same features.

    Source: https://arxiv.org/abs/2106.08322, Sec 3 and 4; mmdetection for what the paper leaves
    open.

    Args:
        in_channels: channels C of every level of the pyramid that comes in.
        out_channels: channels of the pyramid that goes out; default ``in_channels``.
        num_blocks: of scale, spatial and task attention in turn.
        coarser: "resized" samples the coarser level after it is resized to the finer one's size.
            "misread" is what the public implementations compute: they sample the coarser level at
            its own size and read the finer level's larger map of offsets as if it were of that
            size. It does not do what the paper says, and is for weights that were trained so.
        num_groups: of the group norms.
        reduction: ratio of ``out_channels`` to the width of the hidden layer of task attention.
        num_levels: number of levels that must come in; None takes any from one up.

    Raises:
        ValueError: arguments out of range, named with what was expected.
    """

    head_padding = "same"

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int | None = None,
        num_blocks: int = 6,
        coarser: str = RESIZED,
        num_groups: int = 16,
        reduction: int = 4,
        num_levels: int | None = None,
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        if num_blocks < 1:
            raise ValueError(f"expected num_blocks of 1 or more, got {num_blocks}")
        if coarser not in (RESIZED, MISREAD):
            raise ValueError(f"expected coarser {RESIZED!r} or {MISREAD!r}, got {coarser!r}")
        if in_channels < 1 or num_groups < 1 or out_channels < 1 or out_channels % num_groups:
            raise ValueError(
                f"expected channels of 1 or more, and a multiple of num_groups={num_groups} of "
                f"them to go out, got {in_channels} -> {out_channels}"
            )
        if not 1 <= reduction <= out_channels:
            raise ValueError(f"expected reduction in [1, {out_channels}], got {reduction}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_levels = num_levels
        self.blocks = nn.ModuleList(
            DyHeadBlock(
                out_channels if i else in_channels,
                out_channels,
                coarser=coarser,
                num_groups=num_groups,
                reduction=reduction,
            )
            for i in range(num_blocks)
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Compute the features that both tasks read.

        Args:
            features: L tensors (N, in_channels, Hl, Wl), fine to coarse, each level half the size
                of the finer one, rounded up.

        Returns:
            twice the same list of L tensors (N, out_channels, Hl, Wl).

        Raises:
            ValueError: wrong number of levels, channels or sizes; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=self.num_levels)
        maps = list(features)
        for block in self.blocks:
            maps = block(maps)
        return maps, maps


class DyHeadBlock(nn.Module):
    """One block: deformable convolutions of each level and its neighbors, weighed, then DyReLU.

    The offsets and the modulation of all three come from the level itself. Arguments as of
    :class:`DyHead`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, coarser: str, num_groups: int, reduction: int
    ) -> None:
        super().__init__()
        self.coarser = coarser
        self.offset = nn.Conv2d(in_channels, 3 * _TAPS, kernel_size=3, padding=1)
        self.same = _SampledConv(in_channels, out_channels, num_groups)
        self.from_finer = _SampledConv(in_channels, out_channels, num_groups, stride=2)
        self.from_coarser = _SampledConv(in_channels, out_channels, num_groups)
        self.scale_attention = nn.Conv2d(out_channels, 1, kernel_size=1)
        self.task_attention = DyReLU(out_channels, reduction)
        # the taps start where those of an ordinary convolution are, as in mmdetection
        nn.init.zeros_(self.offset.weight)
        for conv in (self.offset, self.scale_attention):
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.scale_attention.weight, std=0.01)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Map a pyramid (N, in_channels, Hl, Wl) to one of (N, out_channels, Hl, Wl)."""
        raw = [self.offset(level) for level in x]
        terms = [[term] for term in self.same(x, raw)]
        for level, term in enumerate(self.from_finer(x[:-1], raw[1:]), 1):
            terms[level].append(term)
        for level, term in enumerate(self._from_coarser(x, raw)):
            terms[level].append(term)
        return [self.task_attention(self._weighed(of_level)) for of_level in terms]

    def _from_coarser(self, x: Sequence[Tensor], raw: Sequence[Tensor]) -> list[Tensor]:
        """Terms of all levels but the coarsest."""
        sizes = [level.shape[-2:] for level in x[:-1]]
        if self.coarser == RESIZED:
            resized = [upsample(y, size) for y, size in zip(x[1:], sizes, strict=True)]
            return self.from_coarser(resized, raw[:-1])
        misread = [_as_memory(r, y) for r, y in zip(raw[:-1], x[1:], strict=True)]
        terms = self.from_coarser(x[1:], misread)
        return [upsample(term, size) for term, size in zip(terms, sizes, strict=True)]

    def _weighed(self, terms: list[Tensor]) -> Tensor:
        """Scale attention: the mean of a level's terms, each times its own weight in [0, 1]."""
        weighed = [
            term * _hard_sigmoid(F.relu(self.scale_attention(_pooled(term)))) for term in terms
        ]
        return torch.stack(weighed).sum(dim=0) / len(weighed)


class _SampledConv(nn.Module):
    """Modulated deformable 3x3 convolution by offsets that are given, then group norm."""

    def __init__(
        self, in_channels: int, out_channels: int, num_groups: int, stride: int = 1
    ) -> None:
        super().__init__()
        # holds the weight; its own forward, which does not deform, is not used
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.norm = nn.GroupNorm(num_groups, out_channels)
        nn.init.normal_(self.conv.weight, std=0.01)

    def forward(self, x: Sequence[Tensor], raw: Sequence[Tensor]) -> list[Tensor]:
        """Convolve L maps; ``raw`` are L maps (N, 27, Ho, Wo), offsets (tap, (y, x)) come first."""
        maps = deform_conv2d_levels(
            x,
            [r[:, : 2 * _TAPS] for r in raw],
            self.conv.weight,
            masks=[r[:, 2 * _TAPS :].sigmoid() for r in raw],
            stride=(self.conv.stride[0], self.conv.stride[1]),
            padding=(1, 1),
        )
        return [self.norm(y) for y in maps]


class DyReLU(nn.Module):
    """Task attention: a piecewise linear function per channel, chosen by the map's means.

    Source: Dynamic ReLU (https://arxiv.org/abs/2003.10027), Eq. 3, its form "B" with two pieces.

    Args:
        channels: C.
        reduction: ratio of C to the width of the hidden layer.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(channels, channels // reduction, kernel_size=1)
        self.coefficients = nn.Conv2d(channels // reduction, 4 * channels, kernel_size=1)
        for conv in (self.hidden, self.coefficients):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> max(a1 x + b1, a2 x + b2); new weights give nearly ReLU."""
        raw = self.coefficients(F.relu(self.hidden(_pooled(x))))
        a1, b1, a2, b2 = (_hard_sigmoid(raw) - 0.5).chunk(4, dim=1)
        return torch.maximum(x * (2 * a1 + 1) + b1, x * (2 * a2) + b2)


def _as_memory(raw: Tensor, coarser: Tensor) -> Tensor:
    """The finer level's offsets and masks as the public implementations read them.

    Their operator takes the memory of each image's offsets, and of its masks, from its start for a
    map of the coarser level's size.
    """
    height, width = coarser.shape[-2:]

    def from_start(part: Tensor) -> Tensor:
        number, channels = part.shape[:2]
        memory = part.flatten(1)[:, : channels * height * width]
        return memory.reshape(number, channels, height, width)

    return torch.cat([from_start(raw[:, : 2 * _TAPS]), from_start(raw[:, 2 * _TAPS :])], dim=1)


def _pooled(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, 1)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return ((x + 3) / 6).clamp(0, 1)
