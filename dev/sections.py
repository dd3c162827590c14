"""Parts of a Markdown file that a program writes, from ``<!-- name -->`` to ``<!-- /name -->``."""

from __future__ import annotations

import re
from pathlib import Path

from sepc.files import atomic_write


def read_section(path: Path, name: str) -> str:
    """Read the lines between the markers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the markers are not there, once each and in their order.
    """
    return _split(path, name)[1]


def write_section(path: Path, name: str, content: str) -> None:
    """Put other lines between the markers; the errors are those of :func:`read_section`."""
    before, _, after = _split(path, name)
    with atomic_write(path) as partial:
        partial.write_text(f"{before}\n{content.strip()}\n{after}", encoding="utf-8")


def _split(path: Path, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    parts = re.split(f"({re.escape(begin)}|{re.escape(end)})", path.read_text(encoding="utf-8"))
    if parts[1::2] != [begin, end]:
        raise ValueError(f"{path}: expected {begin} and {end} once each, got {parts[1::2]}")
    return parts[0] + begin, parts[2], end + parts[4]
