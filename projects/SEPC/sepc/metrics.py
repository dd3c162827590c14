"""Rows of a ``metrics.json``, as Detectron2 writes it: a JSON object with an iteration per line."""

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .files import atomic_write, errors_named

logger = logging.getLogger(__name__)


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


def rewind_metrics(path: str | os.PathLike[str], start_iter: int, *, ended: bool = False) -> None:
    """Make a ``metrics.json`` fit a training that starts at iteration ``start_iter``.

    What was written at or after it will be repeated and goes, and so do lines that a crash left
    incomplete. At 0 the whole file is set aside as ``metrics.json.old``.

    Args:
        path: of the file; there may be none.
        start_iter: the first iteration to be trained.
        ended: whether a training has ended at ``start_iter`` and goes on now: its last evaluation,
            which has this number and no losses, stays.
    """
    if not os.path.isfile(path):
        return
    if start_iter == 0:
        os.replace(path, f"{os.fspath(path)}.old")
        return
    kept, damaged = [], 0
    for line in read_lines(path):
        row = parse_row(line)
        if row is None:
            damaged += 1
        elif row["iteration"] < start_iter or (
            ended and row["iteration"] == start_iter and "total_loss" not in row
        ):
            kept.append(line)
    if damaged:
        logger.warning(f"{path}: dropped {damaged} incomplete line(s)")
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.writelines(kept)
