"""Rules for the entries of files in COCO's format, and the problems of those that break them."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

_NAMED = 5
_LARGEST_AREA = 1e5**2  # above it COCO's metrics leave an object out


class Rule(NamedTuple):
    """A field, what its values must fit, and that in words."""

    key: str
    fits: Callable[[Any], bool]
    expected: str
    optional: bool = False


def is_whole(x: Any) -> bool:
    return type(x) is int  # True and False are ints to isinstance


def _is_number(x: Any) -> bool:
    return (type(x) is float and math.isfinite(x)) or (is_whole(x) and abs(x) < 2**63)


def _is_extent(x: Any) -> bool:
    return _is_number(x) and 1 <= x < 2**31 and x == int(x)


def _is_text(x: Any) -> bool:
    """Whether it is text that can name a file: not empty, no NUL, no half of a character."""
    return type(x) is str and bool(x) and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in x)


def _is_box(x: Any) -> bool:
    numbers = type(x) is list and len(x) == 4 and all(_is_number(v) and abs(v) <= 1e9 for v in x)
    return numbers and x[2] >= 0 and x[3] >= 0


def _is_flag(x: Any) -> bool:
    return type(x) in (int, bool) and x in (0, 1)


def _is_polygon(x: Any) -> bool:
    return type(x) is list and len(x) >= 6 and len(x) % 2 == 0 and all(map(_is_number, x))


def is_mask(x: Any) -> bool:
    """Whether a ``segmentation`` is polygons of three or more points, or a run-length encoding."""
    if type(x) is dict:  # run-length encoded
        size = x.get("size")
        return (
            isinstance(x.get("counts"), (list, str)) and isinstance(size, list) and len(size) == 2
        )
    return type(x) is list and bool(x) and all(map(_is_polygon, x))


_WHOLE = "a whole number"
IMAGES = (
    Rule("id", is_whole, _WHOLE),
    Rule("file_name", _is_text, "the name of a file"),
    Rule("height", _is_extent, "a whole number of pixels"),
    Rule("width", _is_extent, "a whole number of pixels"),
)
CATEGORIES = (Rule("id", is_whole, _WHOLE), Rule("name", _is_text, "a name"))
ANNOTATIONS = (
    Rule("id", is_whole, _WHOLE),
    Rule("image_id", is_whole, _WHOLE),
    Rule("category_id", is_whole, _WHOLE),
    Rule("bbox", _is_box, "[x, y, width, height] of numbers up to 1e9 and no negative size"),
    Rule("iscrowd", _is_flag, "0 or 1", optional=True),
    # Detectron2's reader refuses it, COCO's metrics do not read it
    Rule(
        "ignore", lambda x: not x, '0; "iscrowd": 1 marks what is not to be scored', optional=True
    ),
)
SCORING = (
    # pycocotools takes the id of what a detection matches for a truth value, in 64-bit floats
    Rule("id", lambda x: 0 < x < 2**53, "a number from 1, as COCO's metrics misread others"),
    Rule("area", lambda x: _is_number(x) and 0 <= x <= _LARGEST_AREA, "a number from 0 to 1e10"),
    Rule("iscrowd", _is_flag, "0 or 1"),
)
MASKS = (Rule("segmentation", is_mask, "polygons of 3 or more points, or a run-length encoding"),)
#: what pictures of annotations read; scoring asks for more
PICTURED_IMAGES = IMAGES[:2]
PICTURED = (
    *ANNOTATIONS[1:-1],
    Rule("area", lambda x: _is_number(x) and x >= 0, "a number from 0", optional=True),
)
RESULTS = (*ANNOTATIONS[1:4], Rule("score", _is_number, "a finite number"))


class Problems:
    """Problems of a file by their kinds: the first of each is told, the others are counted."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, entity: str, kind: str, text: str) -> None:
        """Count a problem of ``entity`` ("annotation 7"); ``kind`` is what others share with it."""
        key = (entity.split(" ")[0], kind)
        self._first.setdefault(key, f"{entity} {text}")
        self._counts[key] += 1

    def __bool__(self) -> bool:
        return bool(self._first)

    def __str__(self) -> str:
        lines = []
        for key, text in list(self._first.items())[:_NAMED]:
            more = self._counts[key] - 1
            lines.append(text + (f" (and {more} more {key[0]}s)" if more else ""))
        if len(self._first) > _NAMED:
            lines.append(f"and {len(self._first) - _NAMED} other kinds of problems")
        return "; ".join(lines)


def check_entries(
    entries: list[Any], kind: str, rules: Iterable[Rule], problems: Problems
) -> set[Any]:
    """Hold each entry against the rules; return the ids."""
    rules = tuple(rules)
    ids: Counter[Any] = Counter()
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            told = f"number {position} is no object, got {json.dumps(entry)[:80]}"
            problems.add(kind, "object", told)
            continue
        bad = set()
        for key, fits, expected, optional in rules:
            if key not in entry:
                if not optional and key not in bad:
                    bad.add(key)
                    problems.add(label(kind, entry, position), f"lacks {key}", f"lacks {key}")
            elif key not in bad and not fits(entry[key]):
                bad.add(key)
                got = json.dumps(entry[key])[:80]
                told = f"expected {key} {expected}, got {got}"
                problems.add(label(kind, entry, position), f"{key} {expected}", told)
        if "id" in entry and "id" not in bad and any(rule.key == "id" for rule in rules):
            ids[entry["id"]] += 1
    for number in (number for number, count in ids.items() if count > 1):
        problems.add(f"{kind} {number}", "twice", "has an id that is used more than once")
    return set(ids)


def label(kind: str, entry: dict[str, Any], position: int) -> str:
    return (
        f"{kind} {json.dumps(entry['id'])[:40]}" if "id" in entry else f"{kind} number {position}"
    )
