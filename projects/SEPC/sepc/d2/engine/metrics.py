"""Writers of the metrics of a training."""

import os
from collections import defaultdict
from typing import Any

from detectron2.engine import hooks
from detectron2.utils.events import EventWriter, TensorboardXWriter, get_event_storage

from ...files import errors_named
from ...metrics import append_rows, read_rows


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


def has_evaluation(path: str, iteration: int) -> bool:
    """Whether a ``metrics.json`` has an AP of this iteration."""
    rows = read_rows(path) if os.path.isfile(path) else []
    return any(
        row["iteration"] == iteration and any(name.endswith("/AP") for name in row) for row in rows
    )
