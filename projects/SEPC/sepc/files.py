"""Files that are written whole or not at all, and a folder that one process writes at a time."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PARTIAL = re.compile(r"\.partial-(\d+)-.+")
_locks: dict[Path, IO[str]] = {}  # of this process, for as long as it lives


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file whole or not at all: give a temporary name, which becomes ``path`` on success.

    Folders above it are made. After an error nothing is left, and a file that was there stays.

    Raises:
        OSError: names ``path``, such as for a full disk.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    with errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())  # on the disk before it takes the name
            os.replace(partial, path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


@contextlib.contextmanager
def errors_named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let errors of the system that name no file, or a partial one, name ``path``.

    A write to a full disk names none.
    """
    try:
        yield
    except OSError as error:
        named = os.path.basename(os.fsdecode(error.filename or ""))
        if error.errno is None or (named and not _PARTIAL.fullmatch(named)):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def remove_partial_files(folder: str | os.PathLike[str]) -> list[str]:
    """Remove what :func:`atomic_write` left in a folder when its process was killed.

    Files of a process that is alive stay.

    Returns:
        names of the files that are gone.
    """
    removed = []
    for name in sorted(os.listdir(folder)):
        match = _PARTIAL.fullmatch(name)
        if match and not _is_alive(int(match[1])):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
                removed.append(name)
    return removed


def lock_folder(folder: str | os.PathLike[str]) -> None:
    """Keep other processes from locking a folder until this one ends, however it ends.

    The lock is the system's, on a file ``.lock`` that stays: it is gone with the process, and child
    processes do not inherit it. Where the system or the file system has none, nothing is locked.

    Raises:
        OSError: if another process holds it.
    """
    path = Path(folder).resolve() / ".lock"
    if fcntl is None or path in _locks:
        return
    file = path.open("a+")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise OSError(
            f"{os.fspath(folder)}: another training (process {holder}) writes to this folder"
        ) from None
    except OSError:
        file.close()
        return
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    _locks[path] = file


def _is_alive(process: int) -> bool:
    """Whether another process has this number. Files of this one's number are an earlier one's."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
