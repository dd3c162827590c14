"""From the parameter names of the authors' release and of UniverseNet to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

# The trunk is `neck.1` in a detector of the authors or of UniverseNet, `head.trunk` in ours.
_PREFIXES = {"neck.1.": "head.trunk.", "": ""}

# SEPC calls the kernels by where they stand in the list: 0 reads the coarser level, 1 the same,
# 2 the finer. UniverseNet has the same modules in lower case, and other names for the last BNs.
_KERNELS = {"0": "from_coarser", "1": "same", "2": "from_finer"}
_BRANCHES = {
    "cconv": "cls_branch.conv.same",
    "lconv": "box_branch.conv.same",
    "cbn": "cls_branch.norm.shared",
    "lbn": "box_branch.norm.shared",
    "bn_cls": "cls_branch.norm.shared",
    "bn_loc": "box_branch.norm.shared",
}
_STAGE_CONV = re.compile(r"[Pp]convs\.(\d+)\.[Pp]conv\.([012])\.(.+)")
_STAGE_NORM = re.compile(r"[Pp]convs\.(\d+)\.bn\.(.+)")


def convert_state_dict(state_dict: Mapping[str, Value]) -> dict[str, Value]:
    """Rename the trunk of the authors' release or of UniverseNet to :class:`sepc.SEPC`'s names.

    Args:
        state_dict: names to values, of the trunk alone or of a whole detector (where the trunk's
            names begin with ``neck.1.`` and become ``head.trunk.``). Values are passed through.

    Returns:
        A new dict in the same order. Names that already are ours, and those of a whole detector
        that do not belong to the trunk, stay as they are.

    Raises:
        ValueError: two names would become one.
    """
    converted: dict[str, Value] = {}
    for name, value in state_dict.items():
        new_name = _rename(name)
        if new_name in converted:
            raise ValueError(f"two weights would become {new_name!r}; the second is {name!r}")
        converted[new_name] = value
    return converted


def _rename(name: str) -> str:
    for old, new in _PREFIXES.items():
        if name.startswith(old):
            renamed = _rename_in_trunk(name[len(old) :])
            if renamed is not None:
                return new + renamed
    return name


def _rename_in_trunk(name: str) -> str | None:
    if match := _STAGE_CONV.fullmatch(name):
        stage, kernel, rest = match.groups()
        return f"stages.{stage}.conv.{_KERNELS[kernel]}.{_rename_offset(rest)}"
    if match := _STAGE_NORM.fullmatch(name):
        return "stages.{}.norm.shared.{}".format(*match.groups())
    module, _, rest = name.partition(".")
    if module in _BRANCHES:
        return f"{_BRANCHES[module]}.{_rename_offset(rest)}"
    return None


def _rename_offset(name: str) -> str:
    return name.replace("conv_offset.", "offset.", 1)
