"""Mean offset of each layer of a trunk, level by level, taken while the model runs.

Unlike :class:`.TrunkRecord` it keeps no map and computes nothing anew, so that it costs a training
next to nothing.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..layers.level_conv import DeformLevelConv
from .trunk_record import find_trunk, named_layers


@dataclass
class OffsetLengths:
    """Offsets that the kernels of a trunk predicted in its last call.

    Attributes:
        kernels: kernels that deform, by the name of their layer.
        lengths: of each kernel a scalar per level that deforms, fine to coarse.
    """

    kernels: dict[str, list[DeformLevelConv]]
    lengths: dict[DeformLevelConv, list[Tensor]] = field(default_factory=dict)

    def by_level(self) -> dict[str, dict[int, float]]:
        """Mean distance by which taps are moved, in cells of the map that is read.

        Returns:
            by layer and level of the output (0 is the finest), mean over the layer's kernels;
            levels at which nothing deforms are left out.
        """
        found: dict[str, dict[int, float]] = {}
        for name, kernels in self.kernels.items():
            of_level: dict[int, list[float]] = {}
            for kernel in kernels:
                first = 0 if kernel.deform_finest and kernel.first_level == 0 else 1
                for level, length in enumerate(self.lengths.get(kernel, []), start=first):
                    of_level.setdefault(level, []).append(float(length))
            found[name] = {level: sum(x) / len(x) for level, x in sorted(of_level.items())}
        return found


@contextlib.contextmanager
def watch_offsets(model: nn.Module) -> Iterator[OffsetLengths]:
    """Watch the offsets of the model's trunk within the block; the last call counts.

    Raises:
        ValueError: if the model has no trunk.
    """
    watched = OffsetLengths(kernels_that_deform(model))
    handles = []
    for kernel in (kernel for kernels in watched.kernels.values() for kernel in kernels):
        handles.append(kernel.register_forward_pre_hook(partial(_begin, watched.lengths)))
        hook = partial(_append, watched.lengths, kernel)
        handles.append(kernel.offset.register_forward_hook(hook))
    try:
        yield watched
    finally:
        for handle in handles:
            handle.remove()


def kernels_that_deform(model: nn.Module) -> dict[str, list[DeformLevelConv]]:
    """List the deforming kernels of the model's trunk by layer, without layers that have none.

    Raises:
        ValueError: if the model has no trunk.
    """
    found = {
        name: [kernel for kernel in layer.conv.children() if isinstance(kernel, DeformLevelConv)]
        for name, layer in named_layers(find_trunk(model))
    }
    return {name: kernels for name, kernels in found.items() if kernels}


def _begin(lengths: dict[DeformLevelConv, list[Tensor]], kernel: Any, arguments: Any) -> None:
    lengths[kernel] = []


def _append(
    lengths: dict[DeformLevelConv, list[Tensor]],
    kernel: DeformLevelConv,
    offset: nn.Module,
    arguments: Any,
    raw: Tensor,
) -> None:
    offsets, _ = kernel.split_sampling(raw.detach())
    lengths[kernel].append(offsets.float().unflatten(1, (-1, 2)).norm(dim=2).mean())
