"""Equivariance to scale: an image of half the size gives the same maps, one level finer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sepc import PyramidConvStack
from sepc.layers import SharedConv, Towers
from sepc.layers.pyramid_layer import conv_norm_relu, make_layer
from sepc.visualize.trunk_record import find_trunk

from .scale_space import random_blobs

Pyramid = Sequence[Tensor]

LEVELS, SIZE, CHANNELS = 7, 128, 4
GROUPS = partial(nn.GroupNorm, 2)


def _towers(norm: Any) -> nn.Module:
    return Towers(in_channels=CHANNELS, num_convs=2, norm=norm, num_levels=LEVELS).cls_tower


def _stages(num_stages: int, **options: Any) -> nn.Module:
    return PyramidConvStack(in_channels=CHANNELS, num_stages=num_stages, norm=None, **options)


#: what is compared on an exact pyramid, and whether it trains
CASES: Mapping[str, tuple[Callable[[], nn.Module], bool]] = {
    "plain tower": (lambda: _towers(None), False),
    "plain tower, GN on each level": (lambda: _towers(GROUPS), False),
    "plain tower, iBN": (lambda: _towers("BN"), False),
    "plain tower, BN per level": (lambda: _towers("LevelBN"), False),
    "plain tower, iBN in training": (lambda: _towers("BN"), True),
    "1 pyramid convolution": (lambda: _stages(1), False),
    "2 pyramid convolutions": (lambda: _stages(2), False),
    "1 pyramid convolution that deforms": (lambda: _stages(1, deform=True), False),
    "plain convolution that deforms": (
        lambda: make_layer(SharedConv, CHANNELS, CHANNELS, deform=True),
        False,
    ),
}


@torch.no_grad()
def errors_on_exact_pyramids(case: str) -> list[float]:
    """Relative error of each level l of a half-size image, against level l + 1 of the whole one.

    Args:
        case: one of :data:`CASES`; its weights and statistics are random.
    """
    make, training = CASES[case]
    module = _randomized(make()).double().train(training)
    image = random_blobs(SIZE, channels=CHANNELS)
    whole, half = (
        module(blobs.pyramid(size, LEVELS))
        for blobs, size in ((image, SIZE), (image.scaled(0.5), SIZE // 2))
    )
    return [float((y - x).norm() / x.norm()) for y, x in zip(half, whole[1:], strict=False)]


def _randomized(module: nn.Module) -> nn.Module:
    """Draw weights, and statistics about their initial values."""
    draw = torch.Generator().manual_seed(1)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=draw)
            tensor.add_(noise.abs() if name.endswith("running_var") else 0.3 * noise)
    return module


@torch.no_grad()
def maps_on_the_way(model: nn.Module, inputs: Any) -> dict[str, list[Tensor]]:
    """Pyramids before, in and behind the trunk of a detector, or its plain towers.

    Args:
        inputs: of the model.

    Returns:
        "before"; "1", "2" and so on after each stage, or layer of the classification tower;
        "classification" and "localization".

    Raises:
        ValueError: if the model has no trunk and no towers.
    """
    trunk = next((m for m in model.modules() if isinstance(m, Towers)), None) or find_trunk(model)
    seen: list[list[Tensor]] = []
    handle = trunk.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    try:
        model(inputs)
    finally:
        handle.remove()
    found = {"before": seen[-1]}
    maps = found["before"]
    for number, layer in enumerate(_shared_layers(trunk), start=1):
        maps = found[str(number)] = layer(maps)
    return found | dict(zip(("classification", "localization"), trunk(seen[-1]), strict=True))


def _shared_layers(trunk: Any) -> Sequence[Callable[[Pyramid], list[Tensor]]]:
    if not isinstance(trunk, Towers):
        return list(trunk.stages)
    layers = zip(trunk.cls_tower.convs, trunk.cls_tower.norms, strict=True)
    return [partial(conv_norm_relu, conv=conv, norm=norm) for conv, norm in layers][:-1]


def similarity(half: Tensor, whole: Tensor) -> float:
    """Cosine of two sets of maps (N, C, H, W), whose common mean of each channel is taken off.

    1 where they are equal, about 0 where they have nothing to do with each other; below that, where
    they differ in the means of channels more than in all else.
    """
    means = torch.cat([half, whole]).mean(dim=(0, 2, 3), keepdim=True)
    a, b = (half - means).flatten().double(), (whole - means).flatten().double()
    return float(F.cosine_similarity(a, b, dim=0))


def similarities(
    half: Mapping[str, Pyramid], whole: Mapping[str, Pyramid]
) -> dict[str, list[float]]:
    """:func:`similarity` of level l of half-size images and l + 1 of whole ones, by place.

    Args:
        half, whole: of :func:`maps_on_the_way`, of the same images.
    """
    return {
        place: [similarity(y, x) for y, x in zip(half[place], maps[1:], strict=False)]
        for place, maps in whole.items()
    }
