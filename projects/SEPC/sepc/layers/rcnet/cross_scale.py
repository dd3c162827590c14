"""Cross-scale shift network CSN: an exchange of channels and contexts between all levels."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..norms import NormFactory
from .normed_conv import pointwise
from .resize import adaptive_max_pool, upsample

_SHARE = 16  # one channel in so many is taken from each of four levels
_STEPS = (1, -1, 2, -2)  # levels away, in the order of the channels; the pyramid is a circle


class ContextPool(nn.Module):
    """Mean over all cells, weighed by attention, and a linear map of it.

    Args:
        channels: C before and after.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = pointwise(channels, 1)
        self.out = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        logits = self.attention(x)
        weights = logits.flatten(2).softmax(dim=-1).view_as(logits)
        return self.out((x * weights).sum((2, 3), keepdim=True))


class CrossScaleShift(nn.Module):
    """Exchange between all levels of a pyramid, adjacent ones and others.

    Source: RCNet (https://arxiv.org/abs/2110.12130), Sec 3.3; its code for what the paper leaves
    open. All levels come to the size of the second one. There each level reads a sixteenth of the
    channels of each of four others, and all get what two contexts add: of the cells (a mean over
    the levels) and of the levels (means over the cells). The results go back to the levels' sizes.

    Unlike the official code: any number of levels, and the list that comes in is left as it is.

    Args:
        channels: C of all levels, at least 4; one sixteenth is rounded down, and at least one.
        num_levels: L.
        norm: see :func:`sepc.layers.make_norm`.
    """

    def __init__(self, channels: int, num_levels: int, *, norm: str | NormFactory | None) -> None:
        super().__init__()
        self.part = max(channels // _SHARE, 1)
        together = channels + len(_STEPS) * self.part
        self.mix = nn.ModuleList(pointwise(together, channels, norm) for _ in range(num_levels))
        self.out = nn.ModuleList(pointwise(channels, channels) for _ in range(num_levels))
        self.cell_context = ContextPool(channels)
        self.level_context = ContextPool(channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map L maps (N, C, Hl, Wl) to as many of the same sizes."""
        size = features[1].shape[-2:]
        maps = [
            adaptive_max_pool(features[0], size, ratio=2),
            *(upsample(x, size) for x in features[1:]),
        ]
        maps = [
            x + out(F.relu(mix(shifted)))
            for x, shifted, mix, out in zip(
                maps, self.shifted(maps), self.mix, self.out, strict=True
            )
        ]
        of_levels = torch.cat([x.mean((2, 3), keepdim=True) for x in maps], dim=2)  # (N, C, L, 1)
        context = self.cell_context(sum(maps) / len(maps)) + self.level_context(of_levels)
        finest, *coarser = (x + context for x in maps)
        return [
            features[0] + upsample(finest, features[0].shape[-2:]),
            *(
                x + adaptive_max_pool(y, x.shape[-2:], ratio=2**i)
                for i, (x, y) in enumerate(zip(features[1:], coarser, strict=True))
            ),
        ]

    def shifted(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Put channels of four other levels in front of those of each of L maps (N, C, H, W)."""
        return [
            torch.cat(
                [
                    *(
                        maps[(level + step) % len(maps)][:, i * self.part : (i + 1) * self.part]
                        for i, step in enumerate(_STEPS)
                    ),
                    x,
                ],
                dim=1,
            )
            for level, x in enumerate(maps)
        ]
