import pytest
import torch
from torch import nn

from sepc import PyramidConv
from sepc.layers import SharedConv
from sepc.layers.pyramid_conv import upsample

from ..helpers import make_pyramid, randomize
from . import oracle

ODD_SIZES = [(7, 9), (4, 5), (2, 3), (1, 2), (1, 1)]


def weights_of(conv):
    return {name: (kernel.weight, kernel.bias) for name, kernel in conv.named_children()}


@pytest.mark.parametrize("num_levels", [1, 2, 5])
def test_matches_the_definition(num_levels):
    conv = randomize(PyramidConv(3, 4).double())
    features = make_pyramid(ODD_SIZES[:num_levels], 3, dtype=torch.float64)
    expected = oracle.pyramid_conv(features, weights_of(conv))
    torch.testing.assert_close(conv(features), expected)


@pytest.mark.parametrize(("coarse", "fine"), [((3, 1), (5, 1)), ((3, 1), (6, 2)), ((4, 4), (8, 7))])
def test_upsampling_to_the_stride_is_where_the_strided_kernel_reads(coarse, fine):
    """Cell i of the coarser level lies on cell 2i, as a map sampled with stride 2 comes back."""
    (x,) = make_pyramid([coarse], 3)
    y = upsample(x, fine, to="stride")
    assert y.shape[-2:] == fine
    torch.testing.assert_close(y[:, :, ::2, ::2], x)
    between = y[:, :, 1 : 2 * coarse[0] - 1 : 2, ::2]
    torch.testing.assert_close(between, (x[:, :, 1:] + x[:, :, :-1]) / 2)
    if fine[0] == 2 * coarse[0]:
        torch.testing.assert_close(y[:, :, -1], y[:, :, -2])


def test_both_upsamplings_agree_where_the_corners_are_on_the_stride():
    corners = randomize(PyramidConv(3, 4))
    stride = PyramidConv(3, 4, upsampling="stride")
    stride.load_state_dict(corners.state_dict())
    odd, even = make_pyramid([(9, 5), (5, 3)], 3), make_pyramid([(8, 6), (4, 3)], 3)
    torch.testing.assert_close(stride(odd), corners(odd))
    torch.testing.assert_close(stride(even)[1], corners(even)[1])
    assert not torch.allclose(stride(even)[0], corners(even)[0])


def test_kernels_start_as_in_the_official_code_or_keep_the_size_of_the_values():
    torch.manual_seed(0)
    official, keeping = PyramidConv(64, 64), PyramidConv(64, 64, init_std=None)
    assert official.same.weight.std().item() == pytest.approx(0.01, rel=0.05)
    x = [y.relu() for y in make_pyramid([(32, 32), (16, 16), (8, 8)], 64)]

    def gain(conv):
        return (conv(x)[1].relu().square().mean() / x[1].square().mean()).sqrt().item()

    assert gain(official) < 0.3
    assert 0.7 < gain(keeping) < 1.1


def test_unknown_upsampling():
    with pytest.raises(ValueError, match=r"upsampling one of .*'stride'.* got 'nearest'"):
        PyramidConv(3, 4, upsampling="nearest")


def test_one_level_is_a_plain_convolution():
    conv = randomize(PyramidConv(3, 4))
    (x,) = make_pyramid([(6, 5)], 3)
    (y,) = conv([x])
    torch.testing.assert_close(y, nn.functional.conv2d(x, *weights_of(conv)["same"], padding=1))


def test_zero_offsets_make_the_deformable_form_the_plain_one():
    deform = PyramidConv(3, 4, deform=True)
    plain = PyramidConv(3, 4)
    plain.load_state_dict(
        {name: value for name, value in deform.state_dict().items() if ".offset." not in name}
    )
    features = make_pyramid(ODD_SIZES, 3)
    torch.testing.assert_close(deform(features), plain(features))


def test_deformation_is_decided_by_the_output_level():
    """The finest level stays as it is whatever the offsets, all others change."""
    conv = PyramidConv(3, 4, deform=True)
    features = make_pyramid(ODD_SIZES[:4], 3)
    before = conv(features)
    for kernel in conv.children():
        randomize(kernel.offset)
    after = conv(features)
    assert torch.equal(before[0], after[0])
    for level in (1, 2, 3):
        assert not torch.allclose(before[level], after[level]), f"level {level} did not deform"


def test_shared_conv_is_pyramid_conv_without_neighbors():
    shared, pyramid = randomize(SharedConv(3, 4)), PyramidConv(3, 4)
    for parameter in pyramid.parameters():
        nn.init.zeros_(parameter)
    pyramid.same.load_state_dict(shared.same.state_dict())
    features = make_pyramid(ODD_SIZES, 3)
    torch.testing.assert_close(shared(features), pyramid(features))


def test_gradients():
    conv = randomize(PyramidConv(2, 2, deform=True, modulated=True).double())
    features = make_pyramid([(3, 4), (2, 2)], 2, batch=1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *x: tuple(conv(x)), features)


@pytest.mark.parametrize("sizes", [[(1, 1), (1, 1)], [(3, 1), (2, 1)]])
def test_bfloat16_gradients_at_maps_one_cell_wide(sizes):
    """Repeated with memory full of NaN, as what is left uninitialized may be right by chance."""
    conv = randomize(PyramidConv(64, 64))
    features = make_pyramid(sizes, 64)
    sum(y.sum() for y in conv(features)).backward()
    expected = conv.from_finer.weight.grad.clone()
    for _ in range(10):
        conv.zero_grad()
        garbage = [torch.full_like(expected, float("nan")) for _ in range(4)]
        del garbage
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = conv(features)
        sum(y.float().sum() for y in outputs).backward()
        actual = conv.from_finer.weight.grad
        assert (actual - expected).norm() < 0.05 * expected.norm()


def test_official_initialization():
    conv = PyramidConv(64, 64)
    for kernel in conv.children():
        assert abs(kernel.weight.std().item() - 0.01) < 5e-4
        assert abs(kernel.weight.mean().item()) < 5e-4
        assert not kernel.bias.any()


def test_even_kernel():
    with pytest.raises(ValueError, match="odd"):
        PyramidConv(3, 4, kernel_size=2)
