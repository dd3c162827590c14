import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sepc import build_sepc, optimize_for_inference
from sepc.layers import SharedConv, pyramid_conv
from sepc.layers.fast import winograd
from sepc.layers.fast.winograd import conv3x3_by_winograd, use_winograd, winograd_pays

from ..helpers import make_pyramid

SIZES = [(13, 10), (8, 4), (4, 3), (2, 2), (1, 1)]


def kernel_of(c_in, c_out, dtype=torch.float64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(c_out, c_in, 3, 3, generator=generator, dtype=dtype)
    return weight, torch.randn(c_out, generator=generator, dtype=dtype)


@pytest.mark.parametrize("group", [1, 5, 128])
@pytest.mark.parametrize("batch", [1, 3])
def test_is_the_convolution(monkeypatch, group, batch):
    """Whatever the sizes of the maps and however the tiles are grouped."""
    monkeypatch.setattr(winograd, "_GROUP", group)
    weight, bias = kernel_of(4, 6)
    maps = make_pyramid(SIZES, 4, batch=batch, dtype=torch.float64)
    maps[0] = maps[0].to(memory_format=torch.channels_last)
    expected = [F.conv2d(x, weight, bias, padding=1) for x in maps]
    torch.testing.assert_close(conv3x3_by_winograd(maps, weight, bias), expected)
    expected = [F.conv2d(x, weight, padding=1) for x in maps]
    torch.testing.assert_close(conv3x3_by_winograd(maps, weight, None), expected)


def test_no_images_and_no_cells():
    weight, bias = kernel_of(4, 6)
    maps = [torch.zeros(0, 4, 5, 5).double(), torch.zeros(2, 4, 0, 3).double()]
    shapes = [tuple(y.shape) for y in conv3x3_by_winograd(maps, weight, bias)]
    assert shapes == [(0, 6, 5, 5), (2, 6, 0, 3)]


def test_gradients():
    weight, bias = (x.requires_grad_() for x in kernel_of(2, 3))
    maps = make_pyramid([(5, 6), (3, 1)], 2, dtype=torch.float64, requires_grad=True)

    def function(weight, bias, *maps):
        return tuple(conv3x3_by_winograd(maps, weight, bias))

    assert torch.autograd.gradcheck(function, (weight, bias, *maps))


def test_only_the_gradients_that_are_asked_for():
    weight, bias = kernel_of(2, 3)
    (x,) = make_pyramid([(5, 6)], 2, dtype=torch.float64, requires_grad=True)
    conv3x3_by_winograd([x], weight, bias)[0].sum().backward()
    expected = torch.autograd.grad(F.conv2d(x, weight, bias, padding=1).sum(), x)[0]
    torch.testing.assert_close(x.grad, expected)
    assert weight.grad is None


def test_error_in_float32_is_a_few_times_that_of_the_convolution():
    weight, bias = kernel_of(256, 256, torch.float32)
    (x,) = make_pyramid([(40, 40)], 256, batch=1)
    exact = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    (y,) = conv3x3_by_winograd([x], weight, bias)
    direct = F.conv2d(x, weight, bias, padding=1)
    error, usual = ((z - exact).square().mean().sqrt() for z in (y, direct))
    assert error < 5e-6 * exact.square().mean().sqrt()
    assert error < 10 * usual


CONV = dict(in_channels=128, out_channels=128, kernel_size=3, padding=1)


def wanted(**changes):
    return use_winograd(nn.Conv2d(**{**CONV, **changes}))


def test_pays_for_wide_maps_on_a_cpu():
    maps = make_pyramid([(32, 32), (16, 16)], 128)
    assert winograd_pays(maps, wanted())
    assert not winograd_pays(maps, nn.Conv2d(**CONV)), "nobody has asked for it"
    assert not winograd_pays(maps, use_winograd(wanted(), False))
    assert not winograd_pays(maps[1:], wanted())
    with torch.autocast("cpu", torch.bfloat16):
        assert not winograd_pays(maps, wanted())
    for change in (
        dict(kernel_size=1, padding=0),
        dict(padding=0),
        dict(stride=2),
        dict(dilation=2, padding=2),
        dict(groups=2),
        dict(out_channels=18),
    ):
        assert not winograd_pays(maps, wanted(**change)), change
    assert not winograd_pays([x.double() for x in maps], wanted().double())
    assert not winograd_pays([x.to("meta") for x in maps], wanted().to("meta"))


def test_traced_and_compiled_models_keep_the_convolution():
    conv, (x,) = use_winograd(SharedConv(128, 128)), make_pyramid([(32, 32)], 128, batch=1)
    traced = str(torch.jit.trace(_OneLevel(conv), x).inlined_graph)
    assert "aten::_convolution" in traced and "aten::bmm" not in traced
    program = torch.export.export(_OneLevel(conv), (x,))
    assert "conv2d" in str(program.graph) and "bmm" not in str(program.graph)


class _OneLevel(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return self.conv([x])[0]


@pytest.mark.parametrize("variant", ["pconv", "pconv_ibn", "sepc_lite", "sepc"])
@pytest.mark.parametrize("training", [True, False])
def test_trunk_is_the_same_with_and_without(monkeypatch, variant, training):
    torch.manual_seed(0)
    trunk = build_sepc(variant, 128, num_stages=1, init_std=None).train(training)
    maps = make_pyramid([(40, 24), (20, 12), (10, 6)], 128, requires_grad=True)
    calls = []
    function = pyramid_conv.conv3x3_by_winograd
    monkeypatch.setattr(
        pyramid_conv, "conv3x3_by_winograd", lambda *a: calls.append(1) or function(*a)
    )
    results = []
    for use in (False, True):
        use_winograd(trunk, use)
        outputs = [y for branch in trunk(maps) for y in branch]
        assert bool(calls) == use
        loss = sum((y * y.detach().cos()).sum() for y in outputs)
        gradients = torch.autograd.grad(loss, [*maps, *trunk.parameters()], allow_unused=True)
        results.append((outputs, gradients))
    (outputs, gradients), (found_outputs, found_gradients) = results
    torch.testing.assert_close(found_outputs, outputs, rtol=1e-4, atol=1e-4)
    for expected, found in zip(gradients, found_gradients, strict=True):
        assert (expected is None) == (found is None)
        if expected is not None:
            # a value near zero may fall on the other side of ReLU; biases before a BN get none
            assert (found - expected).norm() <= 1e-2 * expected.norm() + 1e-2


def test_whole_trunk_in_its_fast_form_differs_in_the_last_bits():
    torch.manual_seed(0)
    trunk = build_sepc("sepc_lite", 256, init_std=None).eval()
    maps = make_pyramid([(40, 32), (20, 16), (10, 8)], 256, batch=1)
    with torch.no_grad():
        expected, found = trunk(maps), optimize_for_inference(trunk)(maps)
    for branch, fast in zip(expected, found, strict=True):
        for x, y in zip(branch, fast, strict=True):
            assert (y - x).abs().max() < 2e-5 * x.abs().max()
