import pytest
import torch
from detectron2.modeling.backbone import resnet

from sepc.d2.backbones.deform_block import DeformBottleneckBlock

from ..helpers import randomize
from .helpers import needs_compiled

CHANNELS = dict(bottleneck_channels=8, num_groups=4, norm="BN")
KERNEL = dict(bottleneck_channels=8)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("modulated", [False, True])
def test_without_offsets_it_is_the_ordinary_block(stride, modulated):
    torch.manual_seed(0)
    deform = DeformBottleneckBlock(6, 10, stride=stride, deform_modulated=modulated, **CHANNELS)
    plain = resnet.BottleneckBlock(6, 10, stride=stride, **CHANNELS)
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


def test_parameters_stand_in_detectron2_s_order():
    """Detectron2's own block has this order: an optimizer's state is saved by position."""
    names = [name for name, _ in DeformBottleneckBlock(6, 10, norm="", **KERNEL).named_parameters()]
    assert names == [
        "shortcut.weight",
        "conv1.weight",
        "conv2_offset.weight",
        "conv2_offset.bias",
        "conv2.weight",
        "conv3.weight",
    ]


OPTIONS = [
    dict(),
    dict(stride=2, num_groups=4),
    dict(stride=2, stride_in_1x1=True),
    dict(dilation=2),
    dict(deform_num_groups=2),
    dict(deform_modulated=True),
    dict(deform_modulated=True, stride=2, num_groups=4, deform_num_groups=2),
]


@needs_compiled
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_computes_what_detectron2_s_block_does(options):
    """With its compiled operators on a GPU; without one it knows no groups and no modulation."""
    on_gpu_only = "deform_modulated" in options or "deform_num_groups" in options
    if on_gpu_only and not torch.cuda.is_available():
        pytest.skip("Detectron2's operator needs a GPU for these options")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ours = randomize(DeformBottleneckBlock(6, 10, **KERNEL, **options)).eval().to(device)
    theirs = resnet.DeformBottleneckBlock(6, 10, **KERNEL, **options).eval().to(device)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 6, 13, 9, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        expected, found = theirs(x), ours(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    with torch.no_grad():  # the offsets are not too small to matter
        ours.conv2_offset.weight.zero_()
        ours.conv2_offset.bias.zero_()
        assert not torch.allclose(ours(x), expected, rtol=1e-2, atol=1e-2)
