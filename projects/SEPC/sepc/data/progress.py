"""Progress of a loop: tqdm's bar where tqdm is installed, a line now and then elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress_over(total: int, description: str, *, show: bool = True) -> Iterator[int]:
    """Yields ``range(total)`` and reports on standard error how far it is."""
    if not show:
        yield from range(total)
        return
    yield from progress(range(total), total=total, description=description, unit="image")


def progress(
    items: Iterable[T], *, total: int | None, description: str, unit: str = "image"
) -> Iterator[T]:
    """Yields the items and reports on standard error how far it is.

    Args:
        total: number of items; None if that is not known before.
        unit: what an item is called.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        step = max(1, (total or 1000) // 10)
        for index, item in enumerate(items, start=1):
            yield item
            if index % step == 0 or index == total:
                of = f" of {total}" if total else ""
                print(f"{description}: {index}{of}", file=sys.stderr, flush=True)
    else:
        yield from tqdm(items, total=total, desc=description, unit=unit)
