"""Recomputation for the backward pass of activations that are cheap to make again.

A convolution keeps its input for the gradient of its weights. Where that input is a normalized map,
the norm keeps the map too, and a scale, a shift and a ReLU make the one from the other. So the norm
attaches to its outputs the recipe they are made by, and a convolution that runs under
:func:`save_recipes` keeps that in place of the map: half the memory of a trunk with integrated BN.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor


def attach_recipe(activation: Tensor, recipe: Callable[[], Tensor]) -> Tensor:
    """Attach to ``activation`` how it can be made again, bit for bit; returns it."""
    activation.recipe = recipe  # type: ignore[attr-defined]
    return activation


@contextlib.contextmanager
def save_recipes(activations: Iterable[Tensor]) -> Iterator[None]:
    """Let operations within the block save the recipes of activations in place of those."""
    recipes = {_identity(x): x.recipe for x in activations if hasattr(x, "recipe")}
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
    """Key that two tensors share if they are the same values in the same layout."""
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
