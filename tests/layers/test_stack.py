import pytest
import torch
import torch.nn.functional as F

from sepc import PyramidConvStack, PyramidNorm, build_sepc, optimize_for_inference

from ..helpers import make_pyramid, randomize

SIZES = [(13, 10), (7, 5), (4, 3), (2, 2), (1, 1)]


def test_stack_is_convolution_norm_and_relu_in_turn():
    stack = PyramidConvStack(in_channels=3, out_channels=4, num_stages=2, norm="BN")
    randomize(stack)
    features = make_pyramid(SIZES, 3)
    expected = features
    for stage in stack:
        assert isinstance(stage.norm, PyramidNorm)
        expected = [F.relu(x) for x in stage.norm(stage.conv(expected))]
    torch.testing.assert_close(stack(features), expected)


def test_trunk_begins_with_the_stack():
    trunk = randomize(build_sepc("sepc", 4, num_stages=2))
    stack = PyramidConvStack(in_channels=4, num_stages=2, norm="BN", deform=True)
    stack.load_state_dict(trunk.stages.state_dict())
    features = make_pyramid(SIZES, 4)
    torch.testing.assert_close(trunk(features)[1], trunk.box_branch(stack(features)))


def test_without_stages_the_pyramid_comes_back():
    features = make_pyramid(SIZES, 3)
    stack = PyramidConvStack(in_channels=3, out_channels=4, num_stages=0)
    assert stack.out_channels == 3
    torch.testing.assert_close(stack(features), features)


def test_norms_fold_for_inference():
    stack = randomize(PyramidConvStack(in_channels=3, num_stages=2, norm="BN")).eval()
    folded = optimize_for_inference(stack)
    assert not [m for m in folded.modules() if isinstance(m, PyramidNorm)]
    features = make_pyramid(SIZES, 3)
    torch.testing.assert_close(folded(features), stack(features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "channels of 1 or more, got 0 -> 0"),
        ({"in_channels": 2, "out_channels": 0}, "channels of 1 or more, got 2 -> 0"),
        ({"in_channels": 2, "num_stages": -1}, "num_stages of 0 or more, got -1"),
        ({"in_channels": 2, "kernel_size": 2}, "kernel_size: expected an odd number .* got 2"),
        ({"in_channels": 2, "norm": "XBN"}, "unknown norm: .* got 'XBN'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PyramidConvStack(**arguments)


def test_levels_that_do_not_halve():
    stack = PyramidConvStack(in_channels=3)
    with pytest.raises(ValueError, match=r"level 1: expected half .* \(7, 5\) .* got \(6, 5\)"):
        stack(make_pyramid([(13, 10), (6, 5)], 3))
