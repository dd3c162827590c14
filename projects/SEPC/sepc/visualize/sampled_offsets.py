"""Offsets of deformable kernels: where their taps sample, level by level."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers import PyramidConv, SharedConv
from ..layers.level_conv import DeformLevelConv


@dataclass(frozen=True)
class LayerOffsets:
    """Offsets of one kernel.

    Attributes:
        levels: L tensors (N, groups, taps, 2, Ho, Wo), (y, x) in cells of the map that the kernel
            reads; None where it does not deform.
        reads: which level the kernel reads, seen from its output: -1 the finer, 0 the same, 1 the
            coarser one.
        kernel: the kernel itself, for its geometry.
    """

    levels: list[Tensor | None]
    reads: int
    kernel: DeformLevelConv

    def lengths(self) -> list[float]:
        """Mean distance by which the taps are moved, in cells; 0 where nothing deforms."""
        return [0.0 if x is None else float(x.float().norm(dim=3).mean()) for x in self.levels]


@torch.no_grad()
def offsets_of_layer(
    conv: PyramidConv | SharedConv, features: Sequence[Tensor]
) -> dict[str, LayerOffsets]:
    """Compute the offsets of those kernels of a layer that deform.

    Args:
        features: what the layer is given, L maps (N, C, Hl, Wl).

    Returns:
        by the kernel's name: "finer", "same" or "coarser". Empty if nothing deforms.
    """
    kernels = [("same", 0, conv.same)]
    if isinstance(conv, PyramidConv):
        kernels = [("finer", -1, conv.from_finer), *kernels, ("coarser", 1, conv.from_coarser)]
    return {
        name: LayerOffsets(_of_kernel(kernel, features, reads), reads, kernel)
        for name, reads, kernel in kernels
        if isinstance(kernel, DeformLevelConv)
    }


def _of_kernel(
    kernel: DeformLevelConv, features: Sequence[Tensor], reads: int
) -> list[Tensor | None]:
    levels: list[Tensor | None] = []
    for level in range(len(features)):
        source = level + reads
        is_plain = level == 0 and not kernel.deform_finest  # SEPC, Sec 3.3
        if is_plain or not 0 <= source < len(features):
            levels.append(None)
            continue
        offset, _ = kernel.sampling(features[source])
        levels.append(offset.unflatten(1, (kernel.deform_groups, -1, 2)))
    return levels


def tap_positions(
    offsets: LayerOffsets, level: int, cell: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Compute where the taps of an output cell of the first image sample, without and with offsets.

    Args:
        level: of the output; one that deforms.
        cell: row and column of the output.

    Returns:
        two tensors (groups, taps, 2) of (y, x), in cells of the map that is read.

    Raises:
        ValueError: if nothing deforms at this level.
    """
    moves = offsets.levels[level]
    if moves is None:
        raise ValueError(f"expected a level at which the kernel deforms, got level {level}")
    kernel = offsets.kernel
    ys, xs = (
        cell[i] * kernel.stride[i]
        - int(kernel.padding[i])
        + torch.arange(kernel.kernel_size[i]) * kernel.dilation[i]
        for i in range(2)
    )
    grid = torch.cartesian_prod(ys, xs)
    here = moves[0, ..., cell[0], cell[1]].cpu().float()
    regular = grid.float().expand_as(here)
    return regular, regular + here
