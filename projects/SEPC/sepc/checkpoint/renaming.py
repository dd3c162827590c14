"""Rules that rename a weight, read in either direction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple, TypeVar

Value = TypeVar("Value")

_FIELD = re.compile(r"\{(\w+)(?:\+(\d+))?\}")


class Rule(NamedTuple):
    """The name of a module, or of a weight, there and here.

    Both are templates in which ``{x}`` stands for a number and ``{x+1}`` for the next one, as in
    ``Rule("layer{stage}", "res{stage+1}")``. What follows the module's name stays as it is.
    """

    theirs: str
    ours: str

    def under(self, theirs: str, ours: str) -> Rule:
        """Make the rule for the same module as a part of another."""
        return Rule(theirs + self.theirs, ours + self.ours)

    def swapped(self) -> Rule:
        """Make the rule that reads the other way."""
        return Rule(self.ours, self.theirs)


def rename(state_dict: Mapping[str, Value], rules: Iterable[Rule]) -> dict[str, Value]:
    """Rename by the first rule that fits each name; a name that no rule fits stays.

    Raises:
        ValueError: two names would become one.
    """
    rules = list(rules)
    renamed: dict[str, Value] = {}
    for name, value in state_dict.items():
        new_name = next(_applied(name, rules), name)
        if new_name in renamed:
            raise ValueError(f"two weights would become {new_name!r}; the second is {name!r}")
        renamed[new_name] = value
    return renamed


def _applied(name: str, rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        pattern, offsets = _parse(rule.theirs)
        match = pattern.fullmatch(name)
        if match is None:
            continue
        values = {field: int(match[field]) - offset for field, offset in offsets.items()}
        if min(values.values(), default=0) >= 0:
            yield _filled(rule.ours, values) + match["rest"]


@cache
def _parse(template: str) -> tuple[re.Pattern[str], dict[str, int]]:
    """Parse a template: the names that fit it, and what is added to each of its numbers."""
    fields = list(_FIELD.finditer(template))
    texts = _FIELD.sub("\0", template).split("\0")
    pattern = re.escape(texts[0])
    for field, text in zip(fields, texts[1:], strict=True):
        pattern += rf"(?P<{field[1]}>\d+)" + re.escape(text)
    offsets = {field[1]: int(field[2] or 0) for field in fields}
    return re.compile(pattern + r"(?P<rest>(?:\..+)?)"), offsets


def _filled(template: str, values: Mapping[str, int]) -> str:
    return _FIELD.sub(lambda field: str(values[field[1]] + int(field[2] or 0)), template)
