"""How the tool of a study ends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from sepc import program

from .runner import RunsFailed

_STOPS = (signal.SIGINT, signal.SIGTERM)


def exit_status(job: Callable[[], None]) -> int:
    """:func:`sepc.program.exit_status` of a study, which goes on where it was stopped.

    SIGTERM ends it as Ctrl-C does: the runs under way save their checkpoints. A second signal
    changes nothing, so that none of them is left behind.
    """
    before = {signum: signal.signal(signum, _stop_once) for signum in _STOPS}
    try:
        return program.exit_status(
            job, RunsFailed, stopped="Stopped. The same command goes on where it was."
        )
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _stop_once(signum: int, frame: FrameType | None) -> None:
    for each in _STOPS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
