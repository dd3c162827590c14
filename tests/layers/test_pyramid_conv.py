import pytest
import torch
from torch import nn
from torchvision.ops import deform_conv2d

from sepc import DeformConv2d, PyramidConv
from sepc.layers import SharedConv
from sepc.layers.fast.single_column import pad_single_column
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


def test_reads_as_the_formula():
    """Eq. 1 as in the paper, with all that is fast turned off."""
    conv = randomize(PyramidConv(3, 4, deform=True).double())
    x = make_pyramid(ODD_SIZES, 3, dtype=torch.float64)
    same, finer, coarser = conv.same, conv.from_finer, conv.from_coarser
    for level, y in enumerate(conv(x)):
        form = nn.Conv2d.forward if level == 0 else DeformConv2d.forward
        expected = form(same, x[level])
        if level > 0:
            expected = expected + DeformConv2d.forward(finer, x[level - 1])
        if level < len(x) - 1:
            expected = expected + upsample(form(coarser, x[level + 1]), expected.shape[-2:])
        torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)


def test_upsampling_aligns_the_corners():
    (x,) = make_pyramid([(3, 4)], 2)
    y = upsample(x, (6, 7))
    assert y.shape[-2:] == (6, 7)
    for row in (0, -1):
        for column in (0, -1):
            torch.testing.assert_close(y[..., row, column], x[..., row, column])
    torch.testing.assert_close(upsample(x, (5, 7))[..., ::2, ::2], x)


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


def test_deformation_at_the_finest_level_for_diagnosis():
    """Every term of the finest level deforms, the other levels are as without the option."""
    everywhere = randomize(PyramidConv(3, 4, deform=True, deform_finest=True).double())
    usual = PyramidConv(3, 4, deform=True).double()
    usual.load_state_dict(everywhere.state_dict())
    features = make_pyramid(ODD_SIZES[:3], 3, dtype=torch.float64)
    found, expected = everywhere(features), usual(features)
    torch.testing.assert_close(found[1:], expected[1:])
    same, coarser = (
        deform_conv2d(x, kernel.sampling(x)[0], kernel.weight, kernel.bias, padding=1)
        for x, kernel in zip(features, (everywhere.same, everywhere.from_coarser), strict=False)
    )
    torch.testing.assert_close(found[0], same + upsample(coarser, ODD_SIZES[0]))
    assert not torch.allclose(found[0], expected[0])


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


def test_single_columns_are_padded_in_training_alone():
    (narrow,), (wide,) = make_pyramid([(4, 1)], 3), make_pyramid([(4, 2)], 3)
    padded = pad_single_column(narrow)
    assert torch.equal(padded[..., :1], narrow) and not padded[..., 1:].any()
    assert padded.shape[-1] == 2 and pad_single_column(wide) is wide
    with torch.no_grad():
        assert pad_single_column(narrow) is narrow


def test_official_initialization():
    conv = PyramidConv(64, 64)
    for kernel in conv.children():
        assert abs(kernel.weight.std().item() - 0.01) < 5e-4
        assert abs(kernel.weight.mean().item()) < 5e-4
        assert not kernel.bias.any()


def test_even_kernel():
    with pytest.raises(ValueError, match="odd"):
        PyramidConv(3, 4, kernel_size=2)
