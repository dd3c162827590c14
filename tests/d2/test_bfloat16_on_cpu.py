"""Gradients of small images in bfloat16 on a CPU: of strided convolutions of maps one cell wide."""

import copy

import pytest
import torch
from detectron2.layers import Conv2d
from detectron2.modeling.backbone.fpn import FPN, LastLevelP6P7
from detectron2.modeling.backbone.resnet import BottleneckBlock, ResNet
from torch import nn

from sepc.d2.engine import Trainer
from sepc.layers.fast.single_column import guard_strided_convs

SIZES = (32, 64, 96, 128, 192, 256)
CHANNELS = 16


class Stem(nn.Module):
    """Stands in for Detectron2's, narrow: a strided convolution, to a quarter of the size."""

    stride, out_channels = 4, CHANNELS

    def __init__(self):
        super().__init__()
        self.conv = Conv2d(3, CHANNELS, 7, stride=4, padding=3)

    def forward(self, x):
        return self.conv(x).relu()


def make_fpn():
    """ResNet of Detectron2's blocks and its FPN, P3 to P7, every layer narrow."""
    torch.manual_seed(0)
    stages = [
        ResNet.make_stage(
            BottleneckBlock,
            1,
            stride_per_block=[1 if i == 0 else 2],
            in_channels=CHANNELS + i,
            bottleneck_channels=CHANNELS,
            out_channels=CHANNELS + i + 1,  # another number: a shortcut has a convolution
            norm="",
        )
        for i in range(4)
    ]
    bottom_up = ResNet(Stem(), stages, out_features=["res3", "res4", "res5"])
    top_block = LastLevelP6P7(stages[-1][-1].out_channels, CHANNELS)
    return FPN(bottom_up, ["res3", "res4", "res5"], CHANNELS, top_block=top_block)


def train(fpn, size, *, bfloat16):
    """Outputs and gradients of an image of ``size``, computed where memory is full of NaN."""
    fpn.zero_grad()
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size))
    dtype = next(fpn.parameters()).dtype
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        outputs = list(fpn(image.to(dtype)).values())
    garbage = [
        torch.full(p.shape, float("nan"), dtype=kind)
        for p in fpn.parameters()
        for kind in (torch.bfloat16, torch.float32)
    ]
    del garbage
    sum(y.float().sum() for y in outputs).backward()
    return [y.detach() for y in outputs], {k: p.grad.clone() for k, p in fpn.named_parameters()}


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_float32(size):
    fpn = make_fpn()
    _, expected = train(fpn, size, bfloat16=False)
    guard_strided_convs(fpn)
    _, first = train(fpn, size, bfloat16=True)
    _, again = train(fpn, size, bfloat16=True)
    for name, grad in first.items():
        # through the depth of the backbone roundings add up, and turn ReLUs on and off
        error = 0.4 if name.startswith("bottom_up.") else 0.03
        assert (grad - expected[name]).norm() <= error * expected[name].norm(), name
        torch.testing.assert_close(again[name], grad, rtol=0.01, atol=1e-4 * grad.norm().item())


@pytest.mark.parametrize("size", SIZES)
def test_guard_changes_no_result(size):
    fpn = make_fpn().double()
    guarded = copy.deepcopy(fpn)
    guard_strided_convs(guarded)
    assert list(guarded.state_dict()) == list(fpn.state_dict())
    torch.testing.assert_close(
        train(guarded, size, bfloat16=False), train(fpn, size, bfloat16=False), rtol=1e-9, atol=1e-9
    )


def widths_seen(model, *, train):
    """Widths of the maps that strided convolutions compute with, for an image of 32 pixels."""
    seen = set()
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d) and conv.stride != (1, 1):
            conv.register_forward_pre_hook(lambda _, inputs: seen.add(inputs[0].shape[-1]))
    with torch.set_grad_enabled(train):
        model(torch.zeros(1, 3, 32, 32))
    return seen


@pytest.mark.parametrize("amp_dtype", [torch.bfloat16, None])
def test_trainer_guards_what_trains_in_bfloat16(amp_dtype):
    fpn = make_fpn()
    Trainer(fpn, [], torch.optim.SGD(fpn.parameters(), 0.1), amp_dtype=amp_dtype)
    assert (1 in widths_seen(copy.deepcopy(fpn), train=True)) == (amp_dtype is None)
    assert 1 in widths_seen(fpn, train=False), "an evaluation needs no guard"


@pytest.mark.parametrize(
    "options",
    [dict(kernel_size=2, padding=1), dict(kernel_size=3, padding=1, padding_mode="replicate")],
    ids=["a column more", "other padding"],
)
def test_convolutions_that_a_column_would_change_are_left_alone(options):
    conv = nn.Conv2d(3, 4, stride=2, **options)
    x = torch.randn(1, 3, 2, 1)
    expected = conv(x)
    guard_strided_convs(conv)
    assert torch.equal(conv(x), expected)
