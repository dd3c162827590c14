import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sepc import build_sepc, optimize_for_inference
from sepc.layers import SharedConv, level_conv
from sepc.layers.fast import tiles
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
    monkeypatch.setattr(tiles, "_GROUP", group)
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
    return use_winograd(nn.Conv2d(**{**CONV, **changes}).requires_grad_(False))


def keep_sizes(trunk):
    """Weights with which a map behind ReLU keeps the size of its values."""
    for layer in (*trunk.stages, trunk.cls_branch, trunk.box_branch):
        kernels = list(layer.conv.children())
        for kernel in kernels:
            fan_in = len(kernels) * kernel.weight[0].numel()
            nn.init.normal_(kernel.weight, std=(2 / fan_in) ** 0.5)
    return trunk


def test_pays_for_wide_maps_on_a_cpu():
    maps = make_pyramid([(32, 32), (16, 16)], 128)
    assert not winograd_pays([], wanted())
    assert winograd_pays(maps, wanted())
    assert not winograd_pays(maps, nn.Conv2d(**CONV)), "nobody has asked for it"
    assert not winograd_pays(maps, SharedConv(128, 128).requires_grad_(False).same)
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


@pytest.mark.parametrize("group", [1, 5, 128])
def test_gradients_are_those_of_the_convolution(monkeypatch, group):
    monkeypatch.setattr(tiles, "_GROUP", group)
    weight, bias = (x.requires_grad_() for x in kernel_of(4, 6))
    maps = [x.requires_grad_() for x in make_pyramid(SIZES, 4, dtype=torch.float64)]
    sources = [weight, bias, *maps]
    expected = [F.conv2d(x, weight, bias, padding=1) for x in maps]
    grads = [torch.randn_like(y) for y in expected]
    grads[0] = grads[0].to(memory_format=torch.channels_last)
    found = torch.autograd.grad(conv3x3_by_winograd(maps, weight, bias), sources, grads)
    torch.testing.assert_close(found, torch.autograd.grad(expected, sources, grads))


def test_gradients_that_nobody_asks_for():
    weight, bias = kernel_of(4, 6)
    maps = make_pyramid(SIZES, 4, dtype=torch.float64)
    for wanted in (weight, bias, maps[1]):
        wanted.requires_grad_()
        outputs = conv3x3_by_winograd(maps, weight, bias)
        expected = [F.conv2d(x, weight, bias, padding=1) for x in maps]
        (found,) = torch.autograd.grad(outputs[1].sum(), wanted)
        torch.testing.assert_close(found, *torch.autograd.grad(expected[1].sum(), wanted))
        wanted.requires_grad_(False)


def test_training_goes_so_by_itself():
    conv, maps = SharedConv(128, 128), make_pyramid([(32, 32), (16, 16)], 128)
    assert winograd_pays(maps, conv.same)
    with torch.no_grad():
        assert not winograd_pays(maps, conv.same)
    assert not winograd_pays(maps, use_winograd(conv, False).same)
    assert not winograd_pays(maps, nn.Conv2d(**CONV)), "its hooks would not be called"


@pytest.mark.parametrize("variant", ["pconv_ibn", "sepc"])
def test_training_step_is_the_same_with_and_without(count_calls, variant):
    """With what is kept in place of maps, and with sums that are made in place."""
    torch.manual_seed(0)
    trunk = keep_sizes(build_sepc(variant, 128, num_stages=2))
    maps = [x.requires_grad_() for x in make_pyramid([(40, 24), (20, 12), (10, 6)], 128)]
    grads = []
    for use in (False, True):
        outputs = [y for branch in use_winograd(trunk, use)(maps) for y in branch]
        assert bool(count_calls) == use
        loss = sum(y.square().mean() for y in outputs)
        grads.append(torch.autograd.grad(loss, [*trunk.parameters(), *maps]))
    for expected, found in zip(*grads, strict=True):
        noise = 2e-7  # which is all that the bias before a norm has
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max() + noise


@pytest.fixture
def count_calls(monkeypatch):
    """A list that grows by one with every call of Winograd's filtering."""
    calls, function = [], level_conv.conv3x3_by_winograd
    monkeypatch.setattr(
        level_conv, "conv3x3_by_winograd", lambda *a: calls.append(1) or function(*a)
    )
    return calls


@pytest.mark.parametrize("variant", ["pconv", "pconv_ibn", "sepc_lite", "sepc"])
def test_trunk_is_the_same_with_and_without(count_calls, variant):
    torch.manual_seed(0)
    trunk = keep_sizes(build_sepc(variant, 128, num_stages=1)).eval()
    maps = make_pyramid([(40, 24), (20, 12), (10, 6)], 128)
    results = []
    for use in (False, True):
        use_winograd(trunk, use)
        with torch.no_grad():
            results.append([y for branch in trunk(maps) for y in branch])
        assert bool(count_calls) == use
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


def test_whole_trunk_in_its_fast_form_differs_in_the_last_bits():
    torch.manual_seed(0)
    trunk = keep_sizes(build_sepc("sepc_lite", 256)).eval()
    maps = make_pyramid([(40, 32), (20, 16), (10, 8)], 256, batch=1)
    with torch.no_grad():
        expected, found = trunk(maps), optimize_for_inference(trunk)(maps)
    for branch, fast in zip(expected, found, strict=True):
        for x, y in zip(branch, fast, strict=True):
            assert (y - x).abs().max() < 2e-5 * x.abs().max()
