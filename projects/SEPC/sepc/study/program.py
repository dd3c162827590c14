"""How the tool of a study ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from .runner import RunsFailed


def exit_status(job: Callable[[], None]) -> int:
    """Do the job of a tool; tell in one line why it has failed or that it was stopped.

    SIGTERM ends it as Ctrl-C does: the runs under way save their checkpoints.

    Returns:
        0; 1 after an error of the user's or of a run; 130 after a stop.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        job()
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RunsFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
