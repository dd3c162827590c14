"""Signals that ask a program to stop, kept until it can do so without loss."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM)
# A process group and a parent that passes on what it gets deliver one stop twice.
SAME_STOP_SECONDS = 3.0


class StopSignals:
    """SIGINT and SIGTERM, noted in :attr:`received` while the ``with`` block runs.

    A second signal, more than three seconds after the first, ends the process at once, as it would
    without this class. In a thread other than the main one nothing is noted.

    Attributes:
        received: number of the first signal, 0 for none.
    """

    def __init__(self, note: str = "") -> None:
        """
        Args:
            note: what to write to stderr, after the name of the first signal.
        """
        self.received = 0
        self._note = note
        self._since = 0.0
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        self.received = 0
        if threading.current_thread() is threading.main_thread():
            self._handlers = {s: signal.signal(s, self._receive) for s in STOPS}
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._handlers = {}

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received, self._since = signum, time.monotonic()
            if self._note:  # not by a stream of Python's, which this may have interrupted
                with contextlib.suppress(OSError):
                    os.write(2, f"{signal.Signals(signum).name}: {self._note}\n".encode())
        elif time.monotonic() - self._since > SAME_STOP_SECONDS:
            self.__exit__()
            signal.raise_signal(signum)


@contextlib.contextmanager
def passing_on(send: Callable[[int], None]) -> Iterator[StopSignals]:
    """Pass SIGINT and SIGTERM on to other processes, and leave it to these how to end.

    Args:
        send: sends the signal of this number to them.
    """

    class _PassedOn(StopSignals):
        def _receive(self, signum: int, frame: FrameType | None) -> None:
            self.received = self.received or signum
            send(signum)

    with _PassedOn() as stop:
        yield stop


@contextlib.contextmanager
def stops_blocked() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back in this thread, and in the processes that are forked in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_stops_to_parent(_worker: int = 0) -> None:
    """Let a loader process (as its ``worker_init_fn``) end with its parent alone.

    A signal to a whole process group would else end it amid an iteration that the parent wants to
    finish. SIGTERM from the parent itself still ends it, where the system tells who sent it.
    """
    if not hasattr(signal, "sigwaitinfo"):  # macOS
        for signum in STOPS:
            signal.signal(signum, signal.SIG_IGN)
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
        pass
    os._exit(0)
