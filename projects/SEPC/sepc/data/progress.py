"""Progress report of a loop: tqdm's bar on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

LINES = 10  # in place of a bar


def progress(
    items: Iterable[T],
    *,
    total: int | None,
    description: str,
    unit: str = "image",
    show: bool = True,
) -> Iterator[T]:
    """Yield the items and report on standard error how far it is.

    By tqdm's bar where it is installed and a terminal shows it, else by ten lines or so.

    Args:
        total: number of items; None if that is not known before.
        unit: what an item is called.
        show: whether to report at all.
    """
    if not show:
        yield from items
        return
    bar = _bar_on_terminal()
    if bar is not None:
        yield from bar(items, total=total, desc=description, unit=unit)
        return
    step = max(1, (total or 1000) // LINES)
    for index, item in enumerate(items, start=1):
        yield item
        if index % step == 0 or index == total:
            of = f" of {total}" if total else ""
            print(f"{description}: {index}{of}", file=sys.stderr, flush=True)


def _bar_on_terminal() -> Callable[..., Iterable[Any]] | None:
    """tqdm, None where it is not installed or standard error is a file or a pipe."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm
