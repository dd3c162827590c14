import pytest
import torch
import torch.nn.functional as F

from sepc import build_sepc
from sepc.layers.pyramid_conv import upsample
from sepc.layers.weight_standardization import (
    StandardizedPyramidConv,
    StandardizedSharedConv,
    StandardizedWeights,
    standardized,
)

from ..helpers import make_pyramid, randomize

SIZES = [(8, 6), (4, 3), (2, 2)]


def test_mean_and_variance_of_the_joint_kernel():
    torch.manual_seed(0)
    weights = [3 + torch.randn(5, 4, 3, 3), torch.randn(5, 4, 1, 3), torch.randn(5, 2, 1, 1)]
    joint = torch.cat([w.flatten(1) for w in standardized(weights)], dim=1)
    assert joint.shape == (5, 36 + 12 + 2)
    torch.testing.assert_close(joint.mean(1), torch.zeros(5), rtol=0, atol=1e-6)
    torch.testing.assert_close(joint.square().sum(1), torch.ones(5))


def test_sizes_relative_to_each_other_are_kept():
    torch.manual_seed(0)
    first, second = (w - w.mean() for w in torch.randn(2, 1, 4, 3, 3))
    large, small = standardized([10 * first, second])
    ratio = float(large.std() / small.std())
    assert ratio == pytest.approx(10 * float(first.std() / second.std()), rel=1e-4)


def test_gradients_also_of_a_constant_kernel():
    weights = [torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda *w: tuple(standardized(w)), weights)
    constant = torch.ones(2, 2, 3, 3, requires_grad=True)
    standardized([constant])[0].sum().backward()
    assert constant.grad.isfinite().all()


def test_pyramid_convolution_with_standardized_kernels():
    conv = randomize(StandardizedPyramidConv(4, 6), scale=0.1)
    same, finer, coarser = standardized(
        [conv.same.weight, conv.from_finer.weight, conv.from_coarser.weight]
    )
    x = make_pyramid(SIZES, 4)
    expected = F.conv2d(x[1], same, conv.same.bias, padding=1)
    expected += F.conv2d(x[0], finer, conv.from_finer.bias, stride=2, padding=1)
    expected += upsample(F.conv2d(x[2], coarser, conv.from_coarser.bias, padding=1), (4, 3))
    torch.testing.assert_close(conv(x)[1], expected)


@pytest.mark.parametrize("deform", [False, True])
def test_the_scale_of_the_weights_does_not_matter(deform):
    """Also where the kernels deform; the offsets are predicted by ordinary weights."""
    conv = randomize(StandardizedSharedConv(4, 6, deform=deform), scale=0.3)
    features = make_pyramid(SIZES, 4)
    before = conv(features)
    with torch.no_grad():
        conv.same.weight.mul_(7).add_(1)
    torch.testing.assert_close(conv(features), before, rtol=1e-4, atol=1e-5)
    if deform:
        with torch.no_grad():
            conv.same.offset.weight.mul_(7)
        assert (conv(features)[1] - before[1]).abs().max() > 1e-2


def test_comes_with_batch_channel_norm_unless_refused():
    def flags(**options):
        trunk = build_sepc("sepc", 32, num_stages=1, **options)
        layers = (trunk.stages[0], trunk.cls_branch, trunk.box_branch)
        return [isinstance(layer.conv, StandardizedWeights) for layer in layers]

    assert flags() == [False] * 3
    assert flags(norm="BCN") == [True] * 3
    assert flags(norm="BCN", weight_standardization=False) == [False] * 3
    assert flags(norm="GN", weight_standardization=True) == [True] * 3


def test_names_of_the_weights_stay():
    plain = build_sepc("sepc", 32, norm="GN")
    standardizing = build_sepc("sepc", 32, norm="GN", weight_standardization=True)
    assert plain.state_dict().keys() == standardizing.state_dict().keys()
