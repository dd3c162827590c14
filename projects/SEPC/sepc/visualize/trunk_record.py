"""Record of what a trunk computes on the way: its layers are hooked, not changed.

with record_trunk(model) as record:
    model(inputs)
record.inputs, record.outputs, record.terms(), record.offsets(), record.statistics()
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..layers import SEPC, PyramidConv, PyramidConvStack, PyramidNorm, SharedConv
from ..layers.pyramid_layer import PyramidLayer
from .pyramid_terms import TermNorms, norms_of_terms
from .sampled_offsets import LayerOffsets, offsets_of_layer
from .scale_statistics import LevelStatistics, statistics_of_levels


@dataclass
class TrunkRecord:
    """Maps that went through a trunk in its last call.

    Attributes:
        inputs: the pyramid that came in, L maps (N, C, Hl, Wl).
        outputs: the pyramids that went out, by name.
        into_convs, into_norms: what came into each convolution and each norm over the pyramid, by
            the layer's name.
    """

    trunk: SEPC | PyramidConvStack
    inputs: list[Tensor] = field(default_factory=list)
    outputs: dict[str, list[Tensor]] = field(default_factory=dict)
    into_convs: dict[str, list[Tensor]] = field(default_factory=dict)
    into_norms: dict[str, list[Tensor]] = field(default_factory=dict)

    def terms(self) -> dict[str, list[TermNorms]]:
        """Compute L norms of the three terms of each pyramid convolution, by layer."""
        return {
            name: norms_of_terms(layer.conv, self._seen(self.into_convs, name))
            for name, layer in named_layers(self.trunk)
            if isinstance(layer.conv, PyramidConv)
        }

    def offsets(self) -> dict[str, LayerOffsets]:
        """Compute the offsets of each kernel that deforms, by layer and kernel."""
        found: dict[str, LayerOffsets] = {}
        for name, layer in named_layers(self.trunk):
            if isinstance(layer.conv, PyramidConv | SharedConv):
                kernels = offsets_of_layer(layer.conv, self._seen(self.into_convs, name))
                found |= {f"{name}, {kernel}": offsets for kernel, offsets in kernels.items()}
        return found

    def statistics(self) -> dict[str, LevelStatistics]:
        """Compute statistics of what each norm over the pyramid was given, by layer."""
        return {
            name: statistics_of_levels(layer.norm.shared, self._seen(self.into_norms, name))
            for name, layer in named_layers(self.trunk)
            if isinstance(layer.norm, PyramidNorm)
        }

    @staticmethod
    def _seen(recorded: dict[str, list[Tensor]], name: str) -> list[Tensor]:
        if name not in recorded:
            raise ValueError(f"nothing was recorded of {name}: expected a call of the model")
        return recorded[name]


def find_trunk(model: nn.Module) -> SEPC | PyramidConvStack:
    """Find the SEPC trunk of a model, or else its stack of pyramid convolutions.

    Raises:
        ValueError: if it has none.
    """
    for kind in (SEPC, PyramidConvStack):
        for module in model.modules():
            if isinstance(module, kind):
                return module
    raise ValueError(
        f"expected a model with a SEPC trunk or pyramid convolutions, got {type(model).__name__} "
        "without one (its head is a plain one?)"
    )


def named_layers(trunk: SEPC | PyramidConvStack) -> list[tuple[str, PyramidLayer]]:
    """List the layers in their order: "stage 1" and so on, "classification", "localization"."""
    stages = trunk.stages if isinstance(trunk, SEPC) else trunk
    layers = {f"stage {i}": stage for i, stage in enumerate(stages, start=1)}
    if isinstance(trunk, SEPC):
        layers |= {"classification": trunk.cls_branch, "localization": trunk.box_branch}
    return [(name, layer) for name, layer in layers.items() if isinstance(layer, PyramidLayer)]


@contextlib.contextmanager
def record_trunk(model: nn.Module) -> Iterator[TrunkRecord]:
    """Record the model's trunk (:func:`find_trunk`) within the block; the last call counts."""
    trunk = find_trunk(model)
    record = TrunkRecord(trunk)

    def around(module: nn.Module, arguments: tuple[Any, ...], outputs: Any) -> None:
        record.inputs = _kept(arguments[0])
        pyramids = outputs if isinstance(trunk, SEPC) else (outputs,)
        names = ("classification", "localization") if isinstance(trunk, SEPC) else ("output",)
        record.outputs = {n: _kept(p) for n, p in zip(names, pyramids, strict=True)}

    def into(store: dict[str, list[Tensor]], name: str) -> Any:
        return lambda module, arguments: store.update({name: _kept(arguments[0])})

    handles = [trunk.register_forward_hook(around)]
    for name, layer in named_layers(trunk):
        handles.append(layer.conv.register_forward_pre_hook(into(record.into_convs, name)))
        if layer.norm is not None:
            handles.append(layer.norm.register_forward_pre_hook(into(record.into_norms, name)))
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _kept(features: Sequence[Tensor]) -> list[Tensor]:
    """Copies, as layers may write into what they were given."""
    return [x.detach().clone() for x in features]
