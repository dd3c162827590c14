"""How the tool of a study ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from .runner import RunsFailed

_STOPS = (signal.SIGINT, signal.SIGTERM)


def exit_status(job: Callable[[], None]) -> int:
    """Do the job of a tool; tell in one line why it has failed or that it was stopped.

    SIGTERM ends it as Ctrl-C does: the runs under way save their checkpoints. A second signal
    changes nothing, so that none of them is left behind.

    Returns:
        0; 1 after an error of the user's or of a run; 130 after a stop.
    """
    before = {signum: signal.signal(signum, _stop_once) for signum in _STOPS}
    try:
        job()
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RunsFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    return 0


def _stop_once(signum: int, frame: FrameType | None) -> None:
    for each in _STOPS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
