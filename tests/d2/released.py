"""Helpers for the tests of released detectors and of the tool that converts their weights."""

import torch
from detectron2.config import LazyCall, instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone

from sepc.commands.convert import main as convert_main

from .helpers import CONFIGS, config_of

RELEASED = CONFIGS / "released"


def released_config(name, *overrides):
    return config_of(RELEASED / f"{name}.py", overrides)


def on_meta(cfg):
    """The model of a config, full size and without values."""
    with torch.device("meta"):
        return instantiate(cfg.model)


def call_convert(checkpoint, folder, config, *flags, source="theirs.pth", out="ours.pth"):
    """Write a file, or with None take the one that is there, convert it; return the exit status."""
    if checkpoint is not None:
        torch.save(checkpoint, folder / source)
    arguments = [str(folder / source), str(folder / out), "--config-file", str(config)]
    return convert_main([*arguments, *flags])


def convert(checkpoint, folder, config, *flags):
    """Write a file, convert it with the tool, and return the weights it wrote."""
    assert call_convert(checkpoint, folder, config, *flags) == 0
    weights = torch.load(folder / "ours.pth", weights_only=True)
    return weights["state_dict" if "--reverse" in flags else "model"]


class MapsFromPixels(Backbone):
    """Stands in for ResNet and FPN: five levels of the right sizes, from the image and seeded."""

    size_divisibility = 32

    def __init__(self, *, out_channels):
        super().__init__()
        self.out_channels = out_channels

    def forward(self, x):
        generator = torch.Generator().manual_seed(0)
        maps = {}
        for name, shape in self.output_shape().items():
            size = [-(-side // shape.stride) for side in x.shape[-2:]]
            maps[name] = torch.randn(
                len(x), self.out_channels, *size, generator=generator
            ) + torch.nn.functional.interpolate(x.mean(1, keepdim=True), size)
        return maps

    def output_shape(self):
        return {f"p{k}": ShapeSpec(channels=self.out_channels, stride=2**k) for k in range(3, 8)}


def with_stub_backbone(cfg, out_channels=8):
    cfg.model.backbone = LazyCall(MapsFromPixels)(out_channels=out_channels)
    return cfg
