"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives the name of a temporary file to write, which takes the name ``path`` on success.

    Folders above it are made. After an error nothing is left, and a file that was there stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # on the disk before it takes the name
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
