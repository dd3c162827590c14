"""Damage to bytes, texts and JSON, drawn at random."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, -(10**30), 2**63, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "x", "1", "nan", "\ud800", "\ufeff", "a\0b", "../x", "\n\r", "é" * 300, "{}"),
    *([], [[]], [None], [1, 2], {}, {"a": 1}, {"id": {}}, [1e308, 1e308, 1e308, 1e308]),
)


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut off, with other bytes, a part repeated or a part gone."""
    content = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 8, 64, 1000))
        part = content[at : at + size]
        content[at : at + size] = rng.choice(
            (rng.randbytes(len(part)), b"", part * 2, b"\xff" * len(part), bytes(len(part)))
        )
    return bytes(content[: rng.randrange(len(content) + 1)] if rng.random() < 0.3 else content)


def damaged_json(content: Any, rng: random.Random) -> Any:
    """A copy with some values replaced by strange ones, gone, or under another name."""
    content = {"": copy.deepcopy(content)}
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice(list(_places(content)))
        action = rng.random()
        if action < 0.7:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
        elif action < 0.85 and holder is not content:
            del holder[key]
        elif isinstance(holder, dict):
            holder[str(rng.choice(STRANGE))] = holder[key]
        else:
            holder.append(copy.deepcopy(holder[key]))
    return content[""]


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key or index there."""
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


def damaged_json_text(content: Any, rng: random.Random) -> bytes:
    """JSON as bytes, with damaged values or, less often, damaged as text."""
    kind = rng.random()
    if kind < 0.8:
        return json.dumps(damaged_json(content, rng)).encode()
    text = json.dumps(content).encode()
    if kind < 0.95:
        return damaged_bytes(text, rng)
    return rng.choice((b"\xef\xbb\xbf" + text, text.decode().encode("utf-16"), b"[" * 100000))
