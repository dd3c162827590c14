"""Progress of a loop: tqdm's bar where tqdm is installed, a line now and then elsewhere."""

import sys
from collections.abc import Iterator


def progress_over(
    total: int, description: str, *, show: bool = True, unit: str = "image"
) -> Iterator[int]:
    """Yields ``range(total)`` and reports on standard error how far it is."""
    if not show:
        yield from range(total)
        return
    try:
        from tqdm import tqdm
    except ImportError:
        step = max(1, total // 10)
        for index in range(total):
            yield index
            if (index + 1) % step == 0 or index + 1 == total:
                print(f"{description}: {index + 1} of {total}", file=sys.stderr, flush=True)
    else:
        yield from tqdm(range(total), desc=description, unit=unit)
