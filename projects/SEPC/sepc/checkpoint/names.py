"""From the names of the authors' release and of UniverseNet to ours, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .backbone_names import backbone_rules, last_level
from .fpn_names import fpn_rules
from .predictor_names import PREDICTOR_RULES, kind_of_head
from .renaming import Rule, Value, rename
from .trunk_names import AUTHORS_RULES, UNIVERSENET_RULES


def convert_state_dict(state_dict: Mapping[str, Value]) -> dict[str, Value]:
    """Rename weights of the authors' release or of UniverseNet to the names they have here.

    Args:
        state_dict: names to values, of the trunk alone (then of :class:`sepc.SEPC`) or of a whole
            detector: ResNet, FPN, trunk and predictors. Values are passed through.

    Returns:
        A new dict in the same order. Names that are not known stay, among them those that already
        are ours.

    Raises:
        ValueError: two names would become one.
    """
    return rename(state_dict, rules_to_ours(state_dict))


def restore_state_dict(state_dict: Mapping[str, Value]) -> dict[str, Value]:
    """The way back from :func:`convert_state_dict`, for a whole detector.

    The names become those of UniverseNet for ATSS and GFL, and otherwise the authors'.
    """
    names = list(state_dict)
    kind = kind_of_head(names)
    rules = _detector_rules(
        backbone=backbone_rules(names),
        levels=_numbers(r"backbone\.fpn_lateral(\d+)\.", names),
        fpn="neck.0." if any(name.startswith("head.trunk.stages.") for name in names) else "neck.",
        trunk=AUTHORS_RULES if kind == "retina" else UNIVERSENET_RULES,
        predictors=PREDICTOR_RULES[kind],
    )
    return rename(state_dict, [rule.swapped() for rule in rules])


def rules_to_ours(names: Iterable[str]) -> list[Rule]:
    """What :func:`convert_state_dict` does to a state dict of these names."""
    names = list(names)
    trunk = AUTHORS_RULES + UNIVERSENET_RULES
    if not any(name.startswith(("backbone.", "neck.", "bbox_head.")) for name in names):
        return trunk
    laterals = _numbers(r"neck\.(?:0\.)?lateral_convs\.(\d+)\.", names)
    last = last_level(names)  # FPN reads all stages of the backbone from some level on
    return _detector_rules(
        backbone=backbone_rules(names),
        levels=[last - len(laterals) + 1 + i for i in laterals],
        fpn="neck.0." if any(name.startswith("neck.0.") for name in names) else "neck.",
        trunk=trunk,
        predictors=[rule for rules in PREDICTOR_RULES.values() for rule in rules],
    )


def _detector_rules(
    *,
    backbone: Iterable[Rule],
    levels: Iterable[int],
    fpn: str,
    trunk: Iterable[Rule],
    predictors: Iterable[Rule],
) -> list[Rule]:
    # A neck of several modules is a list: FPN comes first, the trunk second.
    return [
        *(rule.under("backbone.", "backbone.bottom_up.") for rule in backbone),
        *(rule.under(fpn, "backbone.") for rule in fpn_rules(levels)),
        *(rule.under("neck.1.", "head.trunk.") for rule in trunk),
        *(rule.under("bbox_head.", "head.") for rule in predictors),
    ]


def _numbers(pattern: str, names: Iterable[str]) -> list[int]:
    """The different numbers that a pattern finds at the beginning of names, ascending."""
    return sorted({int(match[1]) for name in names if (match := re.match(pattern, name))})
