"""Names of a ResNet: torchvision's, which timm and mmdetection share, and Detectron2's.

Of a Res2Net mmdetection's, and those of :mod:`sepc.d2.backbones.res2net`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .renaming import Rule

_BLOCK = ("layer{stage}.{block}", "res{stage+1}.{block}")

# Norms come before their convolutions, of whose names theirs are longer forms here.
PLAIN_STEM = [Rule("bn1", "stem.conv1.norm"), Rule("conv1", "stem.conv1")]
# in mmdetection a Sequential of convolution, norm, ReLU, three times
DEEP_STEM = [
    rule
    for i in range(3)
    for rule in (
        Rule(f"stem.{3 * i + 1}", f"stem.conv{i + 1}.norm"),
        Rule(f"stem.{3 * i}", f"stem.conv{i + 1}"),
    )
]
RESNET_STAGES = [
    rule.under(f"{_BLOCK[0]}.", f"{_BLOCK[1]}.")
    for rule in [
        Rule("bn{conv}", "conv{conv}.norm"),
        # the offsets of a deformable convolution belong to it in mmdetection
        Rule("conv2.conv_offset", "conv2_offset"),
        Rule("conv2_offset", "conv2_offset"),  # so in its early versions
        Rule("conv{conv}", "conv{conv}"),
        Rule("downsample.1", "shortcut.norm"),
        Rule("downsample.0", "shortcut"),
    ]
]
# of Res2Net, in whose shortcuts a pooling comes first
RES2NET_STAGES = [
    rule.under(f"{_BLOCK[0]}.", f"{_BLOCK[1]}.")
    for rule in [
        Rule("bns.{i}", "norms.{i}"),
        Rule("convs.{i}.conv_offset", "convs.{i}.offset"),
        Rule("convs.{i}", "convs.{i}"),
        Rule("bn{conv}", "conv{conv}.norm"),
        Rule("conv{conv}", "conv{conv}"),
        Rule("downsample.2", "shortcut.norm"),
        Rule("downsample.1", "shortcut"),
    ]
]


def backbone_rules(names: Iterable[str]) -> list[Rule]:
    """The rules for a ResNet or Res2Net by the names that its weights have, theirs or ours."""
    names = list(names)
    deep = any(re.search(r"\bstem\.(3|conv2)\.", name) for name in names)
    res2net = any(re.search(r"\b(layer|res)\d+\.\d+\.convs\.", name) for name in names)
    stem = DEEP_STEM if deep else PLAIN_STEM
    return stem + (RES2NET_STAGES if res2net else RESNET_STAGES)


def is_resnet(names: Iterable[str]) -> bool:
    """Whether these are the names of a ResNet by itself."""
    return any(name.startswith("layer1.0.") for name in names)


def last_level(names: Iterable[str], prefix: str = "backbone.") -> int:
    """The level k, of stride 2^k, of a backbone's last stage; 5 where there is none."""
    stages = {name[len(prefix) :].split(".")[0] for name in names if name.startswith(prefix)}
    counted = {stage for stage in stages if stage.startswith("layer")}
    return len(counted) + 1 if counted else 5
