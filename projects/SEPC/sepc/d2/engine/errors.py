"""What a user can correct is told in one line; what nobody expects keeps its traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from detectron2.utils import comm

from ...program import one_line
from .hooks import TrainingStopped


@contextmanager
def told_in_one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of these kinds into one line on stderr and exit code 2.

    A :class:`TrainingStopped` exits with 128 + the number of the signal, as shells expect.
    """
    try:
        yield
    except TrainingStopped as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(128 + stop.signum) from None
    except kinds as error:
        rank = f" (process {comm.get_rank()})" if comm.get_world_size() > 1 else ""
        print(f"error{rank}: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from error
