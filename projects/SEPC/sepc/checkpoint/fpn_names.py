"""Names of an FPN: mmdetection numbers its convolutions, Detectron2 names them by their level."""

from __future__ import annotations

from collections.abc import Iterable

from .renaming import Rule


def fpn_rules(levels: Iterable[int]) -> list[Rule]:
    """The rules for an FPN that reads these levels of the backbone, fine to coarse.

    mmdetection's extra levels are further output convolutions; Detectron2's are a top block of two.
    """
    levels = list(levels)
    rules = []
    for i, level in enumerate(levels):
        rules.append(Rule(f"lateral_convs.{i}.conv", f"fpn_lateral{level}"))
        rules.append(Rule(f"fpn_convs.{i}.conv", f"fpn_output{level}"))
    for i, name in enumerate(("p6", "p7"), len(levels)):
        rules.append(Rule(f"fpn_convs.{i}.conv", f"top_block.{name}"))
    return rules
