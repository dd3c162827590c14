"""Tests of the terms, offsets and statistics recorded of a trunk, against its layers."""

import pytest
import torch
from torch import nn

from sepc import PyramidConv, PyramidConvStack, PyramidNorm, build_sepc
from sepc.layers import DeformConv2d, SharedConv
from sepc.visualize import record_trunk
from sepc.visualize.pyramid_terms import norms_of_terms, terms_of_levels
from sepc.visualize.sampled_offsets import offsets_of_layer, tap_positions
from sepc.visualize.scale_statistics import statistics_of_levels
from sepc.visualize.trunk_record import find_trunk

from ..helpers import make_pyramid, randomize

SIZES = [(9, 14), (5, 7), (3, 4)]
VARIANTS = ["pconv", "pconv_ibn", "sepc_lite", "sepc"]


def trunk_and_pyramid(variant, *, stages=2, **overrides):
    trunk = build_sepc(variant, in_channels=4, num_stages=stages, **overrides)
    return randomize(trunk).eval(), make_pyramid(SIZES, 4)


@pytest.mark.parametrize("deform", [False, True])
def test_terms_sum_to_the_output(deform):
    conv = randomize(PyramidConv(4, 6, deform=deform))
    pyramid = make_pyramid(SIZES, 4)
    expected = conv(pyramid)
    for level, terms in enumerate(terms_of_levels(conv, pyramid)):
        assert set(terms) == {"finer", "same", "coarser"} - (
            {"finer"} if level == 0 else {"coarser"} if level == 2 else set()
        )
        torch.testing.assert_close(sum(terms.values()), expected[level])


def test_norms_and_shares():
    conv = randomize(PyramidConv(4, 4))
    pyramid = make_pyramid(SIZES, 4)
    norms = norms_of_terms(conv, pyramid)
    assert norms[0].finer == 0 and norms[2].coarser == 0
    same = terms_of_levels(conv, pyramid)[1]["same"]
    assert norms[1].same == pytest.approx(same.norm().item())
    for each in norms:
        assert sum(each.shares()) == pytest.approx(1)
    assert sum(norms_of_terms(conv, [torch.zeros(1, 4, 2, 2)])[0].shares()) == pytest.approx(1)
    nn.init.zeros_(conv.same.bias)
    assert sum(norms_of_terms(conv, [torch.zeros(1, 4, 2, 2)])[0].shares()) == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_recording_changes_nothing_and_leaves_no_hook(variant):
    trunk, pyramid = trunk_and_pyramid(variant)
    model = nn.Sequential(trunk)
    with torch.no_grad():
        expected = model(pyramid)
        with record_trunk(model) as record:
            actual = model(pyramid)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    torch.testing.assert_close(record.inputs, pyramid)
    torch.testing.assert_close(record.outputs["classification"], expected[0])
    torch.testing.assert_close(record.outputs["localization"], expected[1])
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


@pytest.mark.parametrize(
    ("variant", "kernels"), [("pconv", 0), ("pconv_ibn", 0), ("sepc_lite", 2), ("sepc", 8)]
)
def test_what_a_record_holds(variant, kernels):
    trunk, pyramid = trunk_and_pyramid(variant)
    with torch.no_grad(), record_trunk(trunk) as record:
        trunk(pyramid)
    assert list(record.terms()) == ["stage 1", "stage 2"]
    assert len(record.offsets()) == kernels
    assert len(record.statistics()) == (0 if variant == "pconv" else 4)
    expected = trunk.stages[1].conv(record.into_convs["stage 2"])
    torch.testing.assert_close(record.into_norms.get("stage 2", expected), expected)


def test_last_call_counts():
    trunk, pyramid = trunk_and_pyramid("pconv")
    with torch.no_grad(), record_trunk(trunk) as record:
        trunk(pyramid)
        trunk([2 * x for x in pyramid])
    torch.testing.assert_close(record.inputs, [2 * x for x in pyramid])


def test_neck_of_two_stages():
    neck = randomize(PyramidConvStack(in_channels=4, num_stages=2, norm="BN")).eval()
    pyramid = make_pyramid(SIZES, 4)
    with torch.no_grad(), record_trunk(neck) as record:
        expected = neck(pyramid)
    torch.testing.assert_close(record.outputs, {"output": expected})
    assert list(record.statistics()) == ["stage 1", "stage 2"]


def test_model_without_a_trunk():
    with pytest.raises(ValueError, match="SEPC trunk or pyramid convolutions, got Linear"):
        find_trunk(nn.Linear(2, 2))


def test_nothing_recorded():
    trunk, _ = trunk_and_pyramid("pconv")
    with record_trunk(trunk) as record:
        pass
    with pytest.raises(ValueError, match="nothing was recorded of stage 1"):
        record.terms()


def test_offsets_are_those_of_the_kernels():
    conv = randomize(PyramidConv(4, 4, deform=True, deform_groups=2))
    pyramid = make_pyramid(SIZES, 4)
    offsets = offsets_of_layer(conv, pyramid)
    assert set(offsets) == {"finer", "same", "coarser"}
    assert [x is None for x in offsets["same"].levels] == [True, False, False]
    assert [x is None for x in offsets["coarser"].levels] == [True, False, True]
    moves = offsets["finer"].levels[1]
    assert moves.shape == (2, 2, 9, 2, 5, 7)
    torch.testing.assert_close(moves.flatten(1, 3), conv.from_finer.sampling(pyramid[0])[0])
    assert offsets["same"].lengths()[0] == 0
    expected = moves.norm(dim=3).mean().item()
    assert offsets["finer"].lengths()[1] == pytest.approx(expected)


def test_offsets_of_the_finest_level_too():
    conv = randomize(PyramidConv(4, 4, deform=True, deform_finest=True))
    offsets = offsets_of_layer(conv, make_pyramid(SIZES, 4))
    deforms = {name: [x is not None for x in each.levels] for name, each in offsets.items()}
    assert deforms == {
        "finer": [False, True, True],
        "same": [True, True, True],
        "coarser": [True, True, False],
    }


def test_offsets_start_at_zero():
    conv = PyramidConv(4, 4, deform=True)
    for offsets in offsets_of_layer(conv, make_pyramid(SIZES, 4)).values():
        assert offsets.lengths() == [0.0, 0.0, 0.0]


def test_plain_layers_have_no_offsets():
    assert offsets_of_layer(SharedConv(4, 4), make_pyramid(SIZES, 4)) == {}


@pytest.mark.parametrize(("kernel", "stride"), [("finer", 2), ("same", 1)])
def test_tap_positions(kernel, stride):
    conv = PyramidConv(4, 4, deform=True)
    module = {"finer": conv.from_finer, "same": conv.same}[kernel]
    assert isinstance(module, DeformConv2d)
    with torch.no_grad():
        module.offset.bias.copy_(torch.tensor([0.5, -1.0]).repeat(9))  # y, x
    offsets = offsets_of_layer(conv, make_pyramid(SIZES, 4))[kernel]
    regular, moved = tap_positions(offsets, 1, (2, 3))
    assert regular.shape == (1, 9, 2)
    expected = [[2 * stride + y, 3 * stride + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    torch.testing.assert_close(regular[0], torch.tensor(expected, dtype=torch.float32))
    torch.testing.assert_close(moved - regular, torch.tensor([0.5, -1.0]).expand(1, 9, 2))
    with pytest.raises(ValueError, match="at which the kernel deforms, got level 0"):
        tap_positions(offsets, 0, (0, 0))


def test_statistics_are_those_of_the_concatenation():
    pyramid = [x + level for level, x in enumerate(make_pyramid(SIZES, 4))]
    found = statistics_of_levels(nn.Identity(), pyramid)
    samples = torch.cat([x.transpose(0, 1).flatten(1) for x in pyramid], dim=1)
    torch.testing.assert_close(found.mean[-1], samples.mean(dim=1))
    torch.testing.assert_close(found.var[-1], samples.var(dim=1, unbiased=False))
    torch.testing.assert_close(found.mean[1], pyramid[1].mean(dim=(0, 2, 3)))
    torch.testing.assert_close(found.shares, torch.tensor([126.0, 35, 12]) / 173)
    torch.testing.assert_close(found.shift()[-1], torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.spread()[-1], torch.ones(4))
    assert found.shift().shape == found.spread().shape == (4, 4)


def test_statistics_in_use():
    pyramid = make_pyramid(SIZES, 4)
    norm = PyramidNorm(nn.BatchNorm2d(4, momentum=1.0))
    batch = statistics_of_levels(norm.shared, pyramid)
    torch.testing.assert_close(batch.used_mean, batch.mean[-1])
    norm(pyramid)  # the running statistics are now those of this pyramid
    running = statistics_of_levels(norm.eval().shared, [3 * x for x in pyramid])
    torch.testing.assert_close(running.used_mean, batch.mean[-1])
    torch.testing.assert_close(running.spread()[-1], torch.full((4,), 3.0), rtol=0.01, atol=0)


def test_statistics_of_an_empty_batch():
    with pytest.raises(ValueError, match=r"maps with positions, got \[\(0, 4, 2, 2\)\]"):
        statistics_of_levels(nn.Identity(), [torch.zeros(0, 4, 2, 2)])
