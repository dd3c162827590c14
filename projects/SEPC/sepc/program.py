"""Exit status of a command-line tool, and what it tells of an error."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def exit_on_error(*kinds: type[Exception], stopped: str = "Stopped.") -> Iterator[None]:
    """Turn errors of these kinds, and a stop by a signal, into one line on stderr and an exit.

    Args:
        kinds: errors that the user can mend. What is left is a defect and keeps its traceback.
        stopped: what to tell after a Ctrl-C that says nothing itself.

    Raises:
        SystemExit: with 2 after an error, as argparse has it; with 128 and the number of the
            signal, as shells expect, after a KeyboardInterrupt, whose attribute ``signum`` may
            name another signal than SIGINT.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        print(str(stop) or f"\n{stopped}", file=sys.stderr)
        raise SystemExit(128 + getattr(stop, "signum", signal.SIGINT)) from None
    except kinds as error:
        print(f"error{_process()}: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from error


def _process() -> str:
    """Which of several processes this is; without torch, which the ONNX demo lacks, one is all."""
    dist = sys.modules.get("torch.distributed")
    if dist is None or not (dist.is_available() and dist.is_initialized()):
        return ""
    return f" (process {dist.get_rank()})" if dist.get_world_size() > 1 else ""


def exit_status(
    job: Callable[[], None], *others: type[Exception], stopped: str = "Stopped."
) -> int:
    """Do the job of a tool and return its exit status, see :func:`exit_on_error`.

    Args:
        job: what the tool does.
        others: errors that the user can mend, as ValueError and OSError always are.
        stopped: what to tell after Ctrl-C.

    Returns:
        0; 2 after an error; 130 after Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may have what it can't encode
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with exit_on_error(ValueError, OSError, *others, stopped=stopped):
            job()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def one_line(error: Exception) -> str:
    """Text of an error without line breaks, or the name of its class."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
