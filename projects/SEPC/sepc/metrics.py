"""Rows of a ``metrics.json``, as Detectron2 writes it: a JSON object with an iteration per line."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .files import errors_named


def parse_row(line: str) -> dict[str, Any] | None:
    """Row of a line, None for a damaged one: the last line of a training that was killed."""
    try:
        row = json.loads(line)
        row["iteration"] = int(row["iteration"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return row if 0 <= row["iteration"] < 2**53 else None


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Lines with their ends; bytes that are no text are replaced, which damages their line alone.

    Raises:
        OSError: if the file can't be read.
    """
    text = Path(path).read_bytes().decode("utf-8", errors="replace")
    return [line + "\n" for line in text.split("\n") if line.strip()]


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Rows that can be read, in their order.

    Raises:
        OSError: if the file can't be read.
    """
    return [row for line in read_lines(path) if (row := parse_row(line)) is not None]


def append_rows(path: str | os.PathLike[str], rows: Iterable[dict[str, Any]]) -> None:
    """Append rows, each with an ``iteration``, behind a last line that may be cut.

    Raises:
        OSError: names the file, such as for a full disk.
    """
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    with errors_named(path), open(path, "ab+") as file:
        if file.tell() and file.seek(-1, os.SEEK_END) and file.read() != b"\n":
            file.write(b"\n")
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
