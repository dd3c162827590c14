"""Mean offsets taken while a trunk runs, against those that are computed anew."""

import pytest
import torch
from torch import nn

from sepc import build_sepc
from sepc.layers import PyramidConvStack
from sepc.visualize import record_trunk
from sepc.visualize.offset_lengths import kernels_that_deform, watch_offsets

from ..helpers import make_pyramid, randomize

SIZES = [(9, 14), (5, 7), (3, 4)]


def expected_lengths(record):
    """By layer and level, the mean over the kernels of the layer that deform there."""
    kernels: dict[str, dict[int, list[float]]] = {}
    for name, offsets in record.offsets().items():
        for level, moves in enumerate(offsets.levels):
            if moves is not None:
                found = kernels.setdefault(name.partition(",")[0], {}).setdefault(level, [])
                found.append(offsets.lengths()[level])
    return {n: {i: sum(x) / len(x) for i, x in sorted(k.items())} for n, k in kernels.items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(deform_finest=True),
        dict(modulated=True, deform_groups=2),
        dict(weight_standardization=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("variant", ["sepc_lite", "sepc"])
def test_lengths_are_those_of_the_offsets(variant, options):
    trunk = randomize(build_sepc(variant, in_channels=4, num_stages=2, num_levels=3, **options))
    pyramid = make_pyramid(SIZES, 4)
    with record_trunk(trunk) as record, watch_offsets(trunk) as watched:
        trunk(make_pyramid(SIZES, 4, seed=1))  # the last call counts
        trunk(pyramid)
    found = watched.by_level()
    branches = {"classification", "localization"}
    assert set(found) == branches | ({"stage 1", "stage 2"} if variant == "sepc" else set())
    expected = expected_lengths(record)
    assert found.keys() == expected.keys()
    for layer, levels in expected.items():
        assert found[layer] == pytest.approx(levels, rel=1e-5)
        assert min(levels.values()) > 0.01


def test_training_is_left_as_it_is():
    trunk = randomize(build_sepc("sepc", in_channels=4, num_stages=1))
    pyramid = make_pyramid(SIZES, 4)

    def gradients():
        trunk.zero_grad()
        sum(x.square().sum() for maps in trunk(pyramid) for x in maps).backward()
        return [p.grad.clone() for p in trunk.parameters() if p.grad is not None]

    expected = gradients()
    with watch_offsets(trunk):
        found = gradients()
    assert all(map(torch.equal, found, expected))
    hooks = [m for m in trunk.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooks == []


def test_what_does_not_deform():
    assert kernels_that_deform(build_sepc("pconv_ibn", in_channels=4)) == {}
    assert kernels_that_deform(PyramidConvStack(in_channels=4)) == {}
    with pytest.raises(ValueError, match="SEPC trunk or pyramid convolutions, got Linear"):
        kernels_that_deform(nn.Linear(2, 2))
