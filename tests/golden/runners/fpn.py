"""The FPN below the trunk: torchvision's, and Detectron2's where it is installed."""

from __future__ import annotations

from collections import OrderedDict
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from ..case import Case


class TopLevels(nn.Module):
    """Levels above those of the backbone, each from the one below; a ReLU between if asked."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        config = case.config
        self.num_levels = config["num_outs"] - len(inputs(case))
        self.relu = config["relu_before_extra_convs"]
        width = config["out_channels"]
        first = config["in_channels"][-1] if config["extra_convs_on_inputs"] else width
        self.convs = nn.ModuleList(
            nn.Conv2d(width if i else first, width, 3, stride=2, padding=1)
            for i in range(self.num_levels)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = []
        for i, conv in enumerate(self.convs):
            x = conv(F.relu(x) if i and self.relu else x)
            levels.append(x)
        return levels


def inputs(case: Case) -> list[Tensor]:
    """Maps of the backbone from the first one that is used."""
    maps = range(case.config["start_level"], len(case.config["in_channels"]))
    return [case.draws[f"in{i}"] for i in maps]


def load(fpn: nn.Module, case: Case, lateral: list[str], output: list[str], top: str) -> None:
    """Load the reference's parameters, given the names of ours fine to coarse."""
    names = {f"lateral_convs.{i}.conv": name for i, name in enumerate(lateral)}
    names |= {f"fpn_convs.{i}.conv": name for i, name in enumerate(output)}
    for i in range(case.config["num_outs"] - len(output)):
        names[f"fpn_convs.{len(output) + i}.conv"] = f"{top}.{i}"
    weights = {}
    for name, value in case.state_dict().items():
        module, _, parameter = name.rpartition(".")
        weights[f"{names[module]}.{parameter}"] = value
    fpn.load_state_dict(weights, strict=True)


def check(case: Case, levels: list[Tensor]) -> None:
    assert len(levels) == case.config["num_outs"]
    for level, x in enumerate(levels):
        case.check(f"out{level}", x)


def run_torchvision(case: Case) -> None:
    class Extra(ExtraFPNBlock):
        def __init__(self) -> None:
            super().__init__()
            self.top = TopLevels(case)

        def forward(self, results: list, x: list, names: list) -> tuple[list, list]:
            source = x[-1] if case.config["extra_convs_on_inputs"] else results[-1]
            extra = self.top(source)
            return results + extra, names + [f"top{i}" for i in range(len(extra))]

    maps = inputs(case)
    channels = [x.shape[1] for x in maps]
    fpn = FeaturePyramidNetwork(channels, case.config["out_channels"], Extra())
    lateral = [f"inner_blocks.{i}.0" for i in range(len(maps))]
    output = [f"layer_blocks.{i}.0" for i in range(len(maps))]
    load(fpn, case, lateral, output, "extra_blocks.top.convs")
    with torch.no_grad():
        check(case, list(fpn(OrderedDict((str(i), x) for i, x in enumerate(maps))).values()))


def run_detectron2(case: Case) -> None:
    from detectron2.layers import ShapeSpec
    from detectron2.modeling import FPN, Backbone

    maps = inputs(case)
    stages = [3 + i for i in range(len(maps))]

    class Maps(Backbone):
        def forward(self, x: Any) -> dict[str, Tensor]:
            return {f"res{s}": x for s, x in zip(stages, maps, strict=True)}

        def output_shape(self) -> dict[str, ShapeSpec]:
            pairs = zip(stages, maps, strict=True)
            return {f"res{s}": ShapeSpec(channels=x.shape[1], stride=2**s) for s, x in pairs}

    top = TopLevels(case)
    top.in_feature = f"{'res' if case.config['extra_convs_on_inputs'] else 'p'}{stages[-1]}"
    names = [f"res{s}" for s in stages]
    fpn = FPN(Maps(), names, case.config["out_channels"], top_block=top)
    lateral = [f"fpn_lateral{s}" for s in stages]
    output = [f"fpn_output{s}" for s in stages]
    load(fpn, case, lateral, output, "top_block.convs")
    with torch.no_grad():
        check(case, list(fpn(None).values()))


def run(case: Case) -> None:
    run_torchvision(case)
    sizes = [torch.tensor(x.shape[-2:]) for x in inputs(case)]
    # Detectron2 pads images so that every level has exactly half the size, and takes no others
    halves = all(torch.equal(f, 2 * c) for f, c in pairwise(sizes))
    if halves and find_spec("detectron2"):
        run_detectron2(case)


RUNNERS = {"fpn": run}
