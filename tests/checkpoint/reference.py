"""Names and shapes of the weights that the authors and UniverseNet have released.

Trunk, FPN and predictors are those that the reference's own modules listed (the golden manifest);
the backbone is written down here from mmdetection's construction of it.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

Layout = dict[str, tuple[int, ...]]

MANIFEST = Path(__file__).resolve().parents[1] / "golden" / "data" / "manifest.json"
RELEASED = Path(__file__).resolve().parents[2] / "configs" / "released"
CONFIGS = sorted(RELEASED.glob("*.py"))

# the manifest's names of our variants
TRUNKS = {"pconv": "pconv", "pconv_ibn": "ibn", "sepc_lite": "sepclite", "sepc": "sepc"}
CHANNELS = 256
NORM = ("weight", "bias", "running_mean", "running_var")


@cache
def listed(source: str, part: str) -> Layout:
    lists = json.loads(MANIFEST.read_text())["checkpoint_names"]
    (names,) = (x for key, x in lists.items() if key.startswith(source))
    return {name: tuple(shape) for name, shape in names[part]}


def under(prefix: str, layout: Layout) -> Layout:
    return {f"{prefix}{name}": shape for name, shape in layout.items()}


def batch_norm(name: str, channels: int) -> Layout:
    return {f"{name}.{x}": (channels,) for x in NORM} | {f"{name}.num_batches_tracked": ()}


def resnet50(*, deep_stem: bool = False, deform: tuple[int, ...] = ()) -> Layout:
    """mmdetection's ResNet, "pytorch" style; stages count from 1."""
    if deep_stem:
        layout = {
            "stem.0.weight": (32, 3, 3, 3),
            **batch_norm("stem.1", 32),
            "stem.3.weight": (32, 32, 3, 3),
            **batch_norm("stem.4", 32),
            "stem.6.weight": (64, 32, 3, 3),
            **batch_norm("stem.7", 64),
        }
    else:
        layout = {"conv1.weight": (64, 3, 7, 7), **batch_norm("bn1", 64)}
    before = 64
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        width = 64 * 2 ** (stage - 1)
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            layout |= {f"{name}.conv1.weight": (width, before, 1, 1)}
            layout |= {f"{name}.conv2.weight": (width, width, 3, 3)}
            if stage in deform:
                layout |= {f"{name}.conv2.conv_offset.weight": (18, width, 3, 3)}
                layout |= {f"{name}.conv2.conv_offset.bias": (18,)}
            layout |= {f"{name}.conv3.weight": (4 * width, width, 1, 1)}
            for i, channels in enumerate((width, width, 4 * width), 1):
                layout |= batch_norm(f"{name}.bn{i}", channels)
            if block == 0:
                layout |= {f"{name}.downsample.0.weight": (4 * width, before, 1, 1)}
                layout |= batch_norm(f"{name}.downsample.1", 4 * width)
            before = 4 * width
    return layout


def towers(num_convs: int = 4) -> Layout:
    return {
        f"{branch}.{i}.conv.{x}": (CHANNELS, CHANNELS, 3, 3) if x == "weight" else (CHANNELS,)
        for branch in ("cls_convs", "reg_convs")
        for i in range(num_convs)
        for x in ("weight", "bias")
    }


def authors(detector: str, variant: str | None) -> Layout:
    """A detector of the authors; without a variant FSAF's baseline, whose neck is FPN alone."""
    head = {"retinanet": "retina", "free_anchor": "freeanchor", "fsaf": "fsaf"}[detector]
    layout = under("backbone.", resnet50())
    fpn = listed("official", "neck.0")
    layout |= under("neck.0." if variant else "neck.", fpn)
    if variant:
        layout |= under("neck.1.", listed("official", f"neck.1 ({TRUNKS[variant]})"))
    else:
        layout |= under("bbox_head.", towers())
    return layout | under("bbox_head.", listed("official", f"bbox_head ({head})"))


def universenet(head: str, *, deform_stages: bool, ibn: bool, **backbone: object) -> Layout:
    """A detector of UniverseNet; its P6 comes from P5 and so has as many channels in as out."""
    fpn = dict(listed("official", "neck.0"))
    fpn["fpn_convs.3.conv.weight"] = (CHANNELS, CHANNELS, 3, 3)
    trunk = {
        name: shape
        for name, shape in listed("UniverseNet", "neck.1").items()
        if (ibn or not re.search(r"bn[._]", name))
        and (deform_stages or not (name.startswith("pconvs") and "conv_offset" in name))
    }
    return {
        **under("backbone.", resnet50(**backbone)),
        **under("neck.0.", fpn),
        **under("neck.1.", trunk),
        **under("bbox_head.", listed("UniverseNet", f"bbox_head ({head})")),
    }


def layout_of(config: Path) -> Layout:
    """The layout of the checkpoint that a file of configs/released/ is for."""
    if config.stem.startswith("universenet50_2008s"):
        return universenet("gfl", deform_stages=False, ibn=True, deep_stem=True, deform=(4,))
    if config.stem.startswith("atss"):
        return universenet("atss", deform_stages=True, ibn=False)
    detector, variant = re.fullmatch(r"(\w+)_R_50_FPN_?(\w*)_1x", config.stem).groups()
    return authors(detector, variant or None)


def seeded(layout: Layout) -> dict[str, Tensor]:
    """Values for a layout, each tensor by the seed of its name, that keep a detector's maps tame.

    Only the first dimension varies, so that a file of them is small.
    """
    weights = {}
    for name, shape in layout.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif name.endswith("integral.project"):
            weights[name] = torch.arange(shape[0], dtype=torch.float32)
        elif len(shape) < 2:
            weights[name] = torch.rand(shape, generator=generator) + 0.5
        else:
            rows = torch.randn(shape[0], generator=generator) / math.prod(shape[1:])
            weights[name] = rows.view(-1, *[1] * (len(shape) - 1)).expand(shape)
    return weights
