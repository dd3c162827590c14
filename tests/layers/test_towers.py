import pytest
import torch
from torch import nn

from sepc import build_sepc
from sepc.layers import PyramidNorm, Towers

SIZES = [(8, 10), (4, 5), (2, 3)]


def pyramid(channels=4):
    torch.manual_seed(0)
    return [torch.randn(2, channels, h, w) for h, w in SIZES]


def test_in_and_out_as_sepc():
    towers, sepc = Towers(in_channels=4, out_channels=6, norm=None), build_sepc("pconv", 4)
    outputs = towers(pyramid())
    assert [[tuple(x.shape) for x in branch] for branch in outputs] == [
        [(2, 6, h, w) for h, w in SIZES]
    ] * 2
    assert towers.head_padding == sepc.head_padding
    assert (towers.in_channels, towers.out_channels) == (4, 6)


def test_is_the_same_convolutions_on_each_level():
    towers = Towers(in_channels=4, num_convs=2, norm=None)
    convs = [conv.same for conv in towers.box_tower.convs]
    for x, y in zip(pyramid(), towers(pyramid())[1], strict=True):
        for conv in convs:
            x = nn.functional.conv2d(x, conv.weight, conv.bias, padding=1).relu()
        torch.testing.assert_close(y, x)


def test_branches_share_nothing():
    towers = Towers(in_channels=4, num_convs=1, norm=None)
    towers(pyramid())[0][0].sum().backward()
    assert towers.cls_tower.convs[0].same.weight.grad is not None
    assert towers.box_tower.convs[0].same.weight.grad is None


def test_group_norm_sees_each_level_alone():
    towers = Towers(in_channels=4, norm=lambda channels: nn.GroupNorm(2, channels))
    features = pyramid()
    alone = towers([features[1]])[0][0]
    torch.testing.assert_close(towers(features)[0][1], alone)


def test_batch_norm_sees_the_whole_pyramid():
    towers = Towers(in_channels=4, num_convs=1, norm="BN")
    norm = towers.cls_tower.norms[0]
    assert isinstance(norm, PyramidNorm)
    features = pyramid()
    conv = towers.cls_tower.convs[0].same
    maps = [nn.functional.conv2d(x, conv.weight, conv.bias, padding=1) for x in features]
    samples = torch.cat([x.flatten(2) for x in maps], dim=2)
    mean, var = samples.mean((0, 2)), samples.var((0, 2), unbiased=False)
    expected = (maps[0] - mean.view(-1, 1, 1)) / (var.view(-1, 1, 1) + norm.shared.eps).sqrt()
    torch.testing.assert_close(towers(features)[0][0], expected.relu())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"in_channels": 0}, "expected channels of 1 or more, got 0 -> 0"),
        ({"num_convs": 0}, "expected num_convs of 1 or more, got 0"),
        ({"norm": "XN"}, "unknown norm"),
    ],
)
def test_arguments_out_of_range(overrides, message):
    with pytest.raises(ValueError, match=message):
        Towers(**{"in_channels": 4, **overrides})


def test_wrong_channels_name_the_level():
    with pytest.raises(ValueError, match=r"level 0: expected shape \(N, 4, H, W\)"):
        Towers(in_channels=4, norm=None)(pyramid(5))
