"""Names and shapes of the weights that the authors and UniverseNet have released.

Trunk, FPN and predictors are those that the reference's own modules listed (the golden manifest);
the backbone is written down here from mmdetection's construction of it.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from functools import cache, partial
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


DEEP_STEM = {
    "stem.0.weight": (32, 3, 3, 3),
    **batch_norm("stem.1", 32),
    "stem.3.weight": (32, 32, 3, 3),
    **batch_norm("stem.4", 32),
    "stem.6.weight": (64, 32, 3, 3),
    **batch_norm("stem.7", 64),
}


def resnet50(*, deep_stem: bool = False, deform: tuple[int, ...] = ()) -> Layout:
    """Layout of mmdetection's ResNet, "pytorch" style; stages count from 1."""
    if deep_stem:
        layout = dict(DEEP_STEM)
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


def res2net(*, blocks: tuple[int, ...] = (3, 4, 6, 3), deform: tuple[int, ...] = ()) -> Layout:
    """Layout of mmdetection's Res2Net of 4 scales and base width 26, with its usual deep stem."""
    layout = dict(DEEP_STEM)
    before = 64
    for stage, num in enumerate(blocks, 1):
        width, after = 26 * 2 ** (stage - 1), 256 * 2 ** (stage - 1)
        for block in range(num):
            name = f"layer{stage}.{block}"
            layout |= {f"{name}.conv1.weight": (4 * width, before, 1, 1)}
            layout |= batch_norm(f"{name}.bn1", 4 * width)
            for i in range(3):
                layout |= {f"{name}.convs.{i}.weight": (width, width, 3, 3)}
                layout |= batch_norm(f"{name}.bns.{i}", width)
                if stage in deform:
                    layout |= {f"{name}.convs.{i}.conv_offset.weight": (18, width, 3, 3)}
                    layout |= {f"{name}.convs.{i}.conv_offset.bias": (18,)}
            layout |= {f"{name}.conv3.weight": (after, 4 * width, 1, 1)}
            layout |= batch_norm(f"{name}.bn3", after)
            if block == 0:
                layout |= {f"{name}.downsample.1.weight": (after, before, 1, 1)}
                layout |= batch_norm(f"{name}.downsample.2", after)
            before = after
    return layout


def towers(num_convs: int = 4) -> Layout:
    return {
        f"{branch}.{i}.conv.{x}": (CHANNELS, CHANNELS, 3, 3) if x == "weight" else (CHANNELS,)
        for branch in ("cls_convs", "reg_convs")
        for i in range(num_convs)
        for x in ("weight", "bias")
    }


def authors(detector: str, variant: str | None) -> Layout:
    """Layout of a detector of the authors; without a variant FSAF's baseline, with FPN alone."""
    head = {"retinanet": "retina", "free_anchor": "freeanchor", "fsaf": "fsaf"}[detector]
    layout = under("backbone.", resnet50())
    fpn = listed("official", "neck.0")
    layout |= under("neck.0." if variant else "neck.", fpn)
    if variant:
        layout |= under("neck.1.", listed("official", f"neck.1 ({TRUNKS[variant]})"))
    else:
        layout |= under("bbox_head.", towers())
    return layout | under("bbox_head.", listed("official", f"bbox_head ({head})"))


def universenet(head: str, *, deform_stages: bool, ibn: bool, backbone: Layout) -> Layout:
    """Layout of a detector of UniverseNet; its P6 comes from P5 and has as many channels."""
    fpn = dict(listed("official", "neck.0"))
    fpn["fpn_convs.3.conv.weight"] = (CHANNELS, CHANNELS, 3, 3)
    trunk = {
        name: shape
        for name, shape in listed("UniverseNet", "neck.1").items()
        if (ibn or not re.search(r"bn[._]", name))
        and (deform_stages or not (name.startswith("pconvs") and "conv_offset" in name))
    }
    return {
        **under("backbone.", backbone),
        **under("neck.0.", fpn),
        **under("neck.1.", trunk),
        **under("bbox_head.", listed("UniverseNet", f"bbox_head ({head})")),
    }


R50_C = partial(resnet50, deep_stem=True, deform=(4,))
R2_50, R2_101 = (partial(res2net, blocks=(3, 4, n, 3), deform=(2, 3, 4)) for n in (6, 23))

# by our configs: head, whether the stages of the trunk deform, iBN, backbone
UNIVERSENETS = {
    "atss_R_50_FPN_sepc_noibn_1x": ("atss", True, False, resnet50),
    "universenet50_2x": ("atss", True, False, R2_50),
    "universenet50_gfl_2x": ("gfl", True, False, R2_50),
    "universenet101_gfl_2x": ("gfl", True, False, R2_101),
    "universenet50_2008d_1x": ("gfl", True, True, R2_50),
    "universenet101_2008d_2x": ("gfl", True, True, R2_101),
    "universenet50_2008_2x": ("gfl", False, True, partial(res2net, deform=(4,))),
    "universenet50_2008s_2x": ("gfl", False, True, R50_C),
    "universenet50_2008s_512_2x": ("gfl", False, True, R50_C),
    "universenet50_2008s_224_2x": ("gfl", False, True, R50_C),
}


def layout_of(config: Path) -> Layout:
    """Layout of the checkpoint that a file of configs/released/ is for."""
    if config.stem in UNIVERSENETS:
        head, deform_stages, ibn, backbone = UNIVERSENETS[config.stem]
        return universenet(head, deform_stages=deform_stages, ibn=ibn, backbone=backbone())
    detector, variant = re.fullmatch(r"(\w+)_R_50_FPN_?(\w*)_1x", config.stem).groups()
    return authors(detector, variant or None)


def seeded(layout: Layout) -> dict[str, Tensor]:
    """Make values for a layout that keep a detector's maps tame, each by the seed of its name.

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
