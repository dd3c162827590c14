"""Progress report of a loop: tqdm's bar where tqdm is installed, a line now and then elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(
    items: Iterable[T],
    *,
    total: int | None,
    description: str,
    unit: str = "image",
    show: bool = True,
) -> Iterator[T]:
    """Yield the items and report on standard error how far it is.

    Args:
        total: number of items; None if that is not known before.
        unit: what an item is called.
        show: whether to report at all.
    """
    if not show:
        yield from items
        return
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
