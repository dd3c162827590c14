"""Writers of the metrics of a training, and what a resume makes of those before it."""

import logging
import os
from collections import defaultdict
from typing import Any

from detectron2.engine import hooks
from detectron2.utils.events import EventWriter, TensorboardXWriter, get_event_storage

from ...files import atomic_write, errors_named
from ...metrics import append_rows, parse_row, read_lines, read_rows

logger = logging.getLogger(__name__)


class MetricsWriter(EventWriter):
    """Writer of ``metrics.json``, a row per iteration and call.

    Unlike Detectron2's, which passes over all that comes for an iteration it has written before:
    losses are then written before a checkpoint, and an evaluation after it. The file is open only
    while it is written.
    """

    def __init__(self, path: str, window_size: int = 20) -> None:
        """
        Args:
            path: rows are appended to it.
            window_size: iterations over which losses are smoothed, by their median.
        """
        self._path = path
        self._window_size = window_size
        self._written: dict[str, int] = {}  # last iteration by name

    def write(self) -> None:
        """Write what is new; OSError names the file."""
        rows: dict[int, dict[str, Any]] = defaultdict(dict)
        latest = get_event_storage().latest_with_smoothing_hint(self._window_size)
        for name, (value, iteration) in latest.items():
            if iteration > self._written.get(name, -1):
                rows[iteration][name] = value
                self._written[name] = iteration
        append_rows(self._path, [{**rows[i], "iteration": i} for i in sorted(rows)])


class EarlyWriter(hooks.PeriodicWriter):
    """Hook that writes what is known before a checkpoint is saved, so that a kill does not cost it.

    What comes later is for another such hook, behind the evaluation.
    """

    def after_train(self) -> None:
        """Do nothing: the last iteration is written."""


class TensorBoardWriter(TensorboardXWriter):
    """Detectron2's writer, whose errors of the file system name the folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._folder = folder

    def write(self) -> None:
        with errors_named(self._folder):
            super().write()

    def close(self) -> None:
        with errors_named(self._folder):
            super().close()


def rewind_metrics(path: str, start_iter: int, *, ended: bool = False) -> None:
    """Make a ``metrics.json`` fit a training that starts at iteration ``start_iter``.

    What was written at or after it will be repeated and goes, and so do lines that a crash left
    incomplete. At 0 the whole file is set aside as ``metrics.json.old``.

    Args:
        path: of the file; there may be none.
        start_iter: the first iteration to be trained.
        ended: whether a training has ended at ``start_iter`` and goes on now: its last evaluation,
            which has this number and no losses, stays.
    """
    if not os.path.isfile(path):
        return
    if start_iter == 0:
        os.replace(path, path + ".old")
        return
    kept, damaged = [], 0
    for line in read_lines(path):
        row = parse_row(line)
        if row is None:
            damaged += 1
        elif row["iteration"] < start_iter or (
            ended and row["iteration"] == start_iter and "total_loss" not in row
        ):
            kept.append(line)
    if damaged:
        logger.warning(f"{path}: dropped {damaged} incomplete line(s)")
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.writelines(kept)


def has_evaluation(path: str, iteration: int) -> bool:
    """Whether a ``metrics.json`` has an AP of this iteration."""
    rows = read_rows(path) if os.path.isfile(path) else []
    return any(
        row["iteration"] == iteration and any(name.endswith("/AP") for name in row) for row in rows
    )
