import inspect

import pytest
import torch
import torchvision
from torch import nn

from sepc import DeformConv2d, build_sepc
from sepc.layers import deform_conv
from sepc.layers.deform_conv import deform_conv2d, deform_conv2d_by_sampling, deform_conv2d_levels

from ..helpers import randomize
from . import oracle

# Everything asymmetric, so that no two axes can be exchanged unnoticed.
ASYMMETRIC = dict(stride=(2, 1), padding=(1, 0), dilation=(2, 1))


def make_inputs(batch=2, groups=3, modulated=True, dtype=torch.float64, seed=0):
    """x (batch, 6, 5, 4), offsets, weight (4, 6, 3, 2), bias, mask for the ASYMMETRIC geometry."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    taps, ho, wo = 6, 2, 3
    mask = draw(batch, groups * taps, ho, wo).sigmoid() if modulated else None
    offset = 1.5 * draw(batch, groups * taps * 2, ho, wo)
    return draw(batch, 6, 5, 4), offset, draw(4, 6, 3, 2), draw(4), mask


def by_sampling(x, offset, weight, bias=None, *, mask=None, **geometry):
    masks = () if mask is None else [mask]
    return deform_conv2d_by_sampling([x], [offset], weight, bias, masks=masks, **geometry)[0]


@pytest.mark.parametrize("form", [by_sampling, torchvision.ops.deform_conv2d])
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
def test_matches_the_definition(form, modulated, groups):
    x, offset, weight, bias, mask = make_inputs(groups=groups, modulated=modulated)
    expected = oracle.deform_conv2d(x, offset, weight, bias, mask=mask, **ASYMMETRIC)
    actual = form(x, offset, weight, bias, mask=mask, **ASYMMETRIC)
    torch.testing.assert_close(actual, expected)


def test_far_offsets_read_zeros():
    x, offset, weight, _, mask = make_inputs()
    far = offset + 100.0
    y = by_sampling(x, far, weight, None, mask=mask, **ASYMMETRIC)
    torch.testing.assert_close(y, torch.zeros_like(y))


def test_gradients():
    inputs = [t.requires_grad_() for t in make_inputs(batch=1)]

    def function(x, offset, weight, bias, mask):
        return deform_conv2d(x, offset, weight, bias, mask=mask, **ASYMMETRIC)

    assert torch.autograd.gradcheck(function, inputs)


def make_levels(groups=3, modulated=True, batch=2):
    """Four levels, offsets and masks for one kernel in the geometry of padding 1, stride 2."""
    generator = torch.Generator().manual_seed(3)
    sizes = [(7, 6), (4, 3), (2, 2), (1, 1)]
    maps = [torch.randn(batch, 6, *size, generator=generator).double() for size in sizes]
    grids = [((h + 1) // 2, (w + 1) // 2) for h, w in sizes]
    shape = [(batch, 9 * groups, *grid) for grid in grids]
    masks = [torch.rand(s, generator=generator).double() for s in shape] if modulated else []
    offsets = [torch.randn(batch, 18 * groups, *g, generator=generator).double() for g in grids]
    return maps, offsets, torch.randn(4, 6, 3, 3, generator=generator).double(), masks


STRIDED = dict(stride=(2, 2), padding=(1, 1))


@pytest.mark.parametrize("small", [0, 20, 4096])
@pytest.mark.parametrize("modulated", [False, True])
def test_levels_together_are_levels_one_by_one(monkeypatch, small, modulated):
    monkeypatch.setattr(deform_conv, "_SMALL", small)
    maps, offsets, weight, masks = make_levels(modulated=modulated)
    bias = torch.arange(4.0).double()
    found = deform_conv2d_levels(maps, offsets, weight, bias, masks=masks, **STRIDED)
    for level, y in enumerate(found):
        mask = masks[level] if modulated else None
        reference = torchvision.ops.deform_conv2d(
            maps[level], offsets[level], weight, bias, mask=mask, **STRIDED
        )
        torch.testing.assert_close(y, reference)


def test_gradients_of_levels_together():
    maps, offsets, weight, masks = make_levels(groups=1, batch=1)
    inputs = [t.requires_grad_() for t in (*maps[1:], *offsets[1:], *masks[1:], weight)]

    def function(*tensors):
        m, o, k, w = tensors[:3], tensors[3:6], tensors[6:9], tensors[9]
        outputs = deform_conv2d_levels(m, o, w, masks=k, **STRIDED)
        for y in outputs:
            y += 1  # as pyramid convolution adds its terms
        return tuple(outputs)

    assert torch.autograd.gradcheck(function, inputs)


def test_memory_format_does_not_matter():
    x, offset, weight, bias, mask = make_inputs(dtype=torch.float32)
    expected = deform_conv2d(x, offset, weight, bias, mask=mask, **ASYMMETRIC)
    x, offset, mask = (t.to(memory_format=torch.channels_last) for t in (x, offset, mask))
    weight = weight.to(memory_format=torch.channels_last)
    actual = deform_conv2d(x, offset, weight, bias, mask=mask, **ASYMMETRIC)
    torch.testing.assert_close(actual, expected)
    strided = torch.stack((x, x), dim=-1)[..., 0]
    torch.testing.assert_close(
        deform_conv2d(strided, offset, weight, bias, mask=mask, **ASYMMETRIC), expected
    )


def make_conv(**kwargs):
    conv = DeformConv2d(4, 6, 3, padding=1, **kwargs)
    nn.init.normal_(conv.bias)
    return conv


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 1), (7, 6)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_new_module_is_the_ordinary_convolution(size, stride):
    conv = make_conv(stride=stride)
    x = torch.randn(2, 4, *size)
    torch.testing.assert_close(conv(x), nn.Conv2d.forward(conv, x))


def test_a_new_modulated_module_is_half_of_it():
    conv = make_conv(modulated=True)
    x = torch.randn(2, 4, 5, 6)
    bias = conv.bias.view(-1, 1, 1)
    torch.testing.assert_close(conv(x) - bias, (nn.Conv2d.forward(conv, x) - bias) / 2)


@pytest.mark.parametrize("modulated", [False, True])
def test_module_matches_the_definition(modulated):
    conv = randomize(make_conv(modulated=modulated, deform_groups=2).double())
    x = torch.randn(2, 4, 4, 5, dtype=torch.float64)
    offset, mask = conv.sampling(x)
    assert offset.abs().max() > 0.1, "offsets too small to tell anything"
    expected = oracle.deform_conv2d(x, offset, conv.weight, conv.bias, mask=mask, padding=(1, 1))
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("modulated", [False, True])
def test_empty_batch_keeps_the_graph(modulated):
    conv = make_conv(modulated=modulated)
    y = conv(torch.zeros(0, 4, 5, 6))
    assert y.shape == (0, 6, 5, 6)
    y.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in conv.parameters())


def test_offsets_can_be_learned_from_zero():
    conv = make_conv()
    conv(torch.randn(1, 4, 6, 6)).square().sum().backward()
    assert conv.offset.weight.grad.abs().max() > 0


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("modulated", [False, True])
def test_bfloat16_autocast(batch, modulated):
    conv = randomize(make_conv(modulated=modulated))
    x = torch.randn(batch, 4, 8, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = conv(x)
    reference = conv(x)
    assert (y.float() - reference).norm() <= 0.05 * reference.norm()


@pytest.mark.parametrize("variant", ["sepc", "sepc_lite"])
@pytest.mark.parametrize("modulated", [False, True])
def test_empty_levels_under_autocast_are_all_of_one_type(variant, modulated):
    trunk = build_sepc(variant, 8, num_stages=1, modulated=modulated, num_levels=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        branches = trunk([torch.zeros(0, 8, size, size) for size in (8, 4, 2)])
    assert {y.dtype for branch in branches for y in branch} == {torch.bfloat16}


def call(*, operator, x=(2, 6, 5, 4), offset=(2, 24, 2, 4), weight=(4, 6, 2, 3), **others):
    """Result and gradients, or the error, for seeded tensors of these shapes."""
    generator = torch.Generator().manual_seed(0)
    geometry = dict(stride=(2, 1), padding=(0, 1), dilation=(2, 1))
    arguments = dict(input=x, offset=offset, weight=weight) | geometry | others
    leaves = []
    for name, value in arguments.items():
        if name in ("input", "offset", "weight", "bias", "mask") and isinstance(value, tuple):
            value = torch.rand(value, generator=generator, dtype=torch.float64)
        if isinstance(value, torch.Tensor):
            arguments[name] = value.requires_grad_()
            leaves.append(value)
    try:
        y = operator(**arguments)
        return [y, *torch.autograd.grad(y.square().sum(), leaves)]
    except (RuntimeError, ValueError) as error:
        return type(error)


CALLS = {
    "plain": (dict(), True),
    "bias and mask": (dict(bias=(4,), mask=(2, 12, 2, 4)), True),
    "groups of offsets": (dict(offset=(2, 72, 2, 4)), True),
    "groups of weights": (dict(weight=(6, 2, 2, 3)), True),
    "numbers": (dict(stride=1, padding=1, dilation=1, offset=(2, 24, 6, 4)), True),
    "lists": (dict(stride=[2, 1], padding=[0, 1], dilation=[2, 1]), True),
    "empty batch": (dict(x=(0, 6, 5, 4), offset=(0, 24, 2, 4)), True),
    "bias of one number": (dict(bias=(1,)), False),
    "bias as a row": (dict(bias=(1, 4)), True),
    "bias of other size": (dict(bias=(5,)), False),
    "offsets of other height": (dict(offset=(2, 24, 3, 4)), False),
    "offsets of other width": (dict(offset=(2, 24, 2, 3)), False),
    "offsets of other batch": (dict(offset=(1, 24, 2, 4)), False),
    "offsets of other number": (dict(offset=(2, 25, 2, 4)), False),
    "too few offsets": (dict(offset=(2, 11, 2, 4)), False),
    "groups that don't divide": (dict(offset=(2, 96, 2, 4)), False),
    "mask of other number": (dict(mask=(2, 11, 2, 4)), False),
    "mask of other batch": (dict(mask=(1, 12, 2, 4)), False),
    "mask of other size": (dict(mask=(2, 12, 2, 2)), False),
    "weights of other channels": (dict(weight=(4, 4, 2, 3)), False),
    "map smaller than the kernel": (dict(x=(2, 6, 1, 4), offset=(2, 24, 1, 4)), False),
    "padding -1": (dict(padding=(-1, 1), offset=(2, 24, 1, 4)), False),
    "dilation 0": (dict(dilation=(0, 1), offset=(2, 24, 3, 4)), False),
    "three strides": (dict(stride=(2, 1, 1)), False),
    "other precision": (dict(weight=torch.ones(4, 6, 2, 3)), False),
}


@pytest.mark.parametrize(("arguments", "accepted"), CALLS.values(), ids=CALLS)
def test_takes_and_refuses_what_torchvision_does(arguments, accepted):
    expected = call(operator=torchvision.ops.deform_conv2d, **arguments)
    actual = call(operator=deform_conv2d, **arguments)
    assert isinstance(expected, list) == accepted
    if accepted:
        torch.testing.assert_close(actual, expected)
    else:
        assert actual == expected


def test_a_stride_that_ends_the_process_in_torchvision():
    with pytest.raises(ValueError, match=r"stride: expected 1 or more, got \(0, 1\)"):
        deform_conv2d(*make_inputs()[:3], stride=(0, 1))


def test_arguments_have_the_places_and_names_of_torchvision():
    ours, theirs = (
        [(p.name, p.kind) for p in inspect.signature(f).parameters.values()]
        for f in (deform_conv2d, torchvision.ops.deform_conv2d)
    )
    assert ours == theirs


def test_wrong_groups():
    with pytest.raises(ValueError, match="divisor of 4, got 3"):
        DeformConv2d(4, 6, 3, deform_groups=3)
