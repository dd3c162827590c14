"""The backbone on a Gaussian pyramid of the image."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.layers import ShapeSpec
from torch import nn

from sepc.d2.backbones.image_pyramid import ImagePyramid, halve

from .helpers import ROOT, config_of


class Brightness(nn.Module):
    """A backbone of one map: the mean of every four by four pixels, in two channels."""

    def __init__(self, **shapes):
        super().__init__()
        self.shapes = shapes

    def forward(self, x):
        mean = nn.functional.avg_pool2d(x.mean(dim=1, keepdim=True), 4)
        return {name: mean.expand(-1, 2, -1, -1) for name in self.shapes}

    def output_shape(self):
        return self.shapes


def backbone(**arguments):
    shapes = {"res2": ShapeSpec(channels=2, stride=4)}
    arguments = {"num_levels": 3, "out_channels": 5, **arguments}
    return ImagePyramid(Brightness(**shapes), **arguments)


def test_halving_keeps_a_ramp_and_its_middle():
    """So a value lies in the middle of the four that it comes from, away from the border."""
    ramp = torch.arange(16.0).expand(1, 3, 16, 16)
    half = halve(ramp)
    assert half.shape == (1, 3, 8, 8)
    torch.testing.assert_close(half[0, 0, 4, 1:-1], 2 * torch.arange(1.0, 7.0) + 0.5)
    torch.testing.assert_close(halve(torch.ones(1, 2, 6, 6)), torch.ones(1, 2, 3, 3))


def test_halving_takes_the_finest_pattern_away():
    checks = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    assert halve(checks[None, None]).abs()[..., 1:-1, 1:-1].max() < 1e-6


def test_levels_are_those_of_the_halved_image():
    model = backbone()
    image = torch.rand(2, 3, 64, 128)
    maps = model(image)
    assert {name: tuple(x.shape) for name, x in maps.items()} == {
        "p2": (2, 5, 16, 32),
        "p3": (2, 5, 8, 16),
        "p4": (2, 5, 4, 8),
    }
    torch.testing.assert_close(maps["p4"], model(halve(halve(image)))["p2"])
    shapes = model.output_shape()
    assert [(s.stride, s.channels) for s in shapes.values()] == [(4, 5), (8, 5), (16, 5)]
    assert list(shapes) == ["p2", "p3", "p4"] and model.size_divisibility == 16


def test_an_object_of_twice_the_size_is_decided_alike_one_level_up():
    """Level by level the same predictions, where plain towers are on the pyramid and no norm is."""
    path = ROOT / "configs" / "quickstart" / "fcos_image_pyramid_towers.py"
    small = ["model.backbone.out_channels=8", "model.head.trunk.norm=null"]
    torch.manual_seed(0)
    model = instantiate(config_of(path, small).model).eval()
    image = torch.rand(1, 3, 128, 128)

    def predictions(x):
        features = model.backbone(x)
        return model.head([features[name] for name in model.head_in_features])

    with torch.no_grad():
        for large, little in zip(predictions(image), predictions(halve(image)), strict=True):
            for one_up, same in zip(large[1:], little[:-1], strict=True):
                torch.testing.assert_close(one_up, same, rtol=1e-4, atol=1e-5)


def test_bad_arguments():
    shape = ShapeSpec(channels=2, stride=4)
    with pytest.raises(ValueError, match="one map, got a, b"):
        ImagePyramid(Brightness(a=shape, b=shape), num_levels=2, out_channels=5)
    with pytest.raises(ValueError, match="power of two, got 6"):
        odd = ShapeSpec(channels=2, stride=6)
        ImagePyramid(Brightness(a=odd), num_levels=2, out_channels=5)
    with pytest.raises(ValueError, match="at least one level, got 0"):
        backbone(num_levels=0)
