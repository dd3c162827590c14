"""How a command-line tool ends: its exit status, and what it tells of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def exit_status(
    job: Callable[[], None], *others: type[Exception], stopped: str = "Stopped."
) -> int:
    """Do the job of a tool; tell in one line on stderr why it has failed or that it was stopped.

    Args:
        job: what the tool does.
        others: errors that the user can mend, as ValueError and OSError always are. What is left is
            a defect and keeps its traceback.
        stopped: what to tell after Ctrl-C.

    Returns:
        0; 2 after an error, as argparse has it; 130 after Ctrl-C.
    """
    mendable: tuple[type[Exception], ...] = (ValueError, OSError, *others)
    try:
        job()
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    except mendable as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
