"""Keep less for the backward pass: activations that are cheap to make again are not kept.

A convolution keeps its input for the gradient of its weights. Where that input is a normalized map,
the norm keeps the map too, and a scale, a shift and a ReLU make the one from the other. So the norm
marks its outputs with how they are made, and a convolution that runs under :func:`remade` keeps the
recipe in place of the map: half the memory of a trunk with integrated BN.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor


def mark(activation: Tensor, remake: Callable[[], Tensor]) -> Tensor:
    """Say how ``activation`` can be made again, bit for bit; returns it."""
    activation.remake = remake  # type: ignore[attr-defined]
    return activation


@contextlib.contextmanager
def remade(activations: Iterable[Tensor]) -> Iterator[None]:
    """Within the block, operations keep the recipes of marked activations instead of them."""
    recipes = {_identity(x): x.remake for x in activations if hasattr(x, "remake")}
    if not recipes or not torch.is_grad_enabled():
        yield
        return

    def pack(tensor: Tensor) -> Tensor | Callable[[], Tensor]:
        return recipes.get(_identity(tensor), tensor)

    def unpack(kept: Tensor | Callable[[], Tensor]) -> Tensor:
        return kept if isinstance(kept, Tensor) else kept()

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def _identity(tensor: Tensor) -> tuple[object, ...]:
    """The same for two tensors if they are the same values in the same layout."""
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
