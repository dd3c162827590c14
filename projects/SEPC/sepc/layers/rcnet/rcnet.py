"""RCNet in the place of FPN: maps of a backbone in, a pyramid out."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..norms import NormFactory
from ..pyramid import check_pyramid
from .cross_scale import CrossScaleShift
from .fusion import FusionNode
from .normed_conv import pointwise
from .resize import halve, pad_to_even


class RCNet(nn.Module):
    """Reverse feature pyramid (RevFP) and cross-scale shift network (CSN).

    Source: RCNet (https://arxiv.org/abs/2110.12130); its code
    (https://github.com/TempleX98/RCNet) for what the paper leaves open. Where FPN goes from coarse
    to fine alone, each level here is fused with the coarser map of the backbone and the finer level
    of the pyramid, so that one pass, fine to coarse, has both directions.

    Unlike the official code: any number of levels from 3 up, any channels.

    Args:
        in_channels: of each map of the backbone, fine to coarse.
        out_channels: C of all levels; at least 4 for the cross-scale shift.
        num_levels: L; those beyond the backbone's maps are made from the one before.
        norm: after the convolutions: a name or a callable from channels to a module (see
            :func:`sepc.layers.make_norm`), None for none. BN has statistics per convolution and
            level, and in training needs two values per channel of the coarsest level.
        deform_groups: of the modulated deformable convolutions (DCNv2) of RevFP; 0 for ordinary
            convolutions.
        cross_scale: False leaves out CSN.

    Raises:
        ValueError: numbers out of range, named with what was expected.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *,
        num_levels: int = 5,
        norm: str | NormFactory | None = "BN",
        deform_groups: int = 2,
        cross_scale: bool = True,
    ) -> None:
        super().__init__()
        if num_levels < max(3, len(in_channels)) or not in_channels:
            raise ValueError(
                "num_levels: expected 3 or more and one at least for each of the backbone's maps, "
                f"got {num_levels} for {len(in_channels)} map(s)"
            )
        if cross_scale and out_channels < 4:
            raise ValueError(f"out_channels: expected 4 or more, got {out_channels}")
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.num_levels = num_levels
        self.laterals = nn.ModuleList(
            pointwise(channels, out_channels, norm) for channels in in_channels
        )
        self.extras = nn.ModuleList(
            pointwise(out_channels, out_channels, norm)
            for _ in range(num_levels - len(in_channels))
        )
        self.nodes = nn.ModuleList(
            FusionNode(
                out_channels,
                has_coarser=level < num_levels - 1,
                has_finer=level > 0,
                norm=norm,
                deform_groups=deform_groups,
            )
            for level in range(num_levels)
        )
        self.shift = CrossScaleShift(out_channels, num_levels, norm=norm) if cross_scale else None

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Map a backbone's maps to L maps (N, C, Hl, Wl).

        Args:
            features: tensors (N, in_channels of the level, Hl, Wl), fine to coarse, each half the
                size of the finer one, rounded up. So are the levels that are added.

        Raises:
            ValueError: wrong number of maps, channels or sizes; names the level.
        """
        check_pyramid(features, channels=self.in_channels, num_levels=len(self.laterals))
        maps = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        for extra in self.extras:
            # what pads counts in the norm's statistics, so it comes before the convolution
            maps.append(halve(extra(pad_to_even(maps[-1]))))
        outputs: list[Tensor] = []
        for level, node in enumerate(self.nodes):
            coarser = maps[level + 1] if level + 1 < len(maps) else None
            finer = outputs[-1] if outputs else None
            outputs.append(node(maps[level], coarser=coarser, finer=finer))
        return outputs if self.shift is None else self.shift(outputs)
