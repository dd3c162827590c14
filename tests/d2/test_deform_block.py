import pytest
import torch
from detectron2.modeling.backbone.resnet import BottleneckBlock

from sepc.d2.backbones.deform_block import DeformBottleneckBlock

CHANNELS = dict(bottleneck_channels=8, num_groups=4, norm="BN")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("modulated", [False, True])
def test_without_offsets_it_is_the_ordinary_block(stride, modulated):
    torch.manual_seed(0)
    deform = DeformBottleneckBlock(6, 10, stride=stride, deform_modulated=modulated, **CHANNELS)
    plain = BottleneckBlock(6, 10, stride=stride, **CHANNELS)
    missing, extra = plain.load_state_dict(deform.state_dict(), strict=False)
    assert not missing and all("offset" in name for name in extra)
    if modulated:  # every tap counts half
        plain.conv2.weight.data /= 2
    x = torch.randn(2, 6, 9, 7)
    torch.testing.assert_close(deform.eval()(x), plain.eval()(x))


def test_offsets_move_what_is_read_and_learn():
    torch.manual_seed(0)
    block = DeformBottleneckBlock(6, 10, **CHANNELS)
    x = torch.randn(2, 6, 9, 7)
    before = block(x)
    before.sum().backward()
    assert block.conv2_offset.bias.grad.any()
    block.conv2_offset.bias.data.fill_(0.7)
    assert not torch.allclose(before, block(x))
