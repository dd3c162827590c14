"""Results of the runs of a study, in one JSON file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sepc.files import atomic_write

from .run import Run

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


class Record:
    """File of a study: its setting, and each finished run with its metrics.

    Args:
        path: JSON file; made with the first run that is added.
        setting: what all runs share, such as the number of iterations and images.

    Raises:
        ValueError: the file is of another setting, or not a record.
    """

    def __init__(self, path: Path, setting: Mapping[str, Any]) -> None:
        self.path = path
        self.setting = dict(setting)
        self._runs: dict[str, dict[str, Any]] = {}
        if not path.exists():
            return
        try:
            content = json.loads(path.read_text())
            found, self._runs = content["setting"], content["runs"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected the record of a study: {error!r}") from error
        if found != self.setting:
            raise ValueError(
                f"{path}: expected runs of the setting {self.setting}, it has those of {found}; "
                "choose another file for another setting"
            )

    def __contains__(self, run: Run) -> bool:
        """Whether the run is finished; ValueError if another run was under its name."""
        entry = self._runs.get(run.name)
        if entry is None:
            return False
        found = {key: entry[key] for key in run.as_dict()}
        if found != run.as_dict():
            raise ValueError(
                f"{self.path}: {run.name} was {found}, now it is {run.as_dict()}; "
                "remove it from the file to train it again"
            )
        return True

    def add(self, run: Run, metrics: Mapping[str, float]) -> None:
        """Keep the metrics of a finished run; the file is whole at any time."""
        rounded = {name: round(metrics[name], 3) for name in METRICS}
        self._runs[run.name] = {**run.as_dict(), "metrics": rounded}
        self._write()

    def add_breakdown(self, run: Run, breakdown: Mapping[str, Any]) -> None:
        """Keep the AP of groups of objects beside the metrics of a finished run.

        Args:
            breakdown: kind of groups to group to ``{"AP": ..., "objects": ...}``.
        """
        self._runs[run.name]["breakdown"] = dict(breakdown)
        self._write()

    def _write(self) -> None:
        with atomic_write(self.path) as partial:
            content = {"setting": self.setting, "runs": self._runs}
            partial.write_text(json.dumps(content, indent=1) + "\n")

    def metrics(self, labels: Mapping[str, str]) -> list[dict[str, float]]:
        """Metrics of the runs with exactly these labels, one entry per seed."""
        return [run["metrics"] for run in self.by_seed(labels).values()]

    def without_breakdown(self) -> list[Run]:
        """Finished runs for which :meth:`add_breakdown` has not been called."""
        names = [field.name for field in dataclasses.fields(Run)]
        return [
            Run(**{**{name: entry[name] for name in names}, "overrides": tuple(entry["overrides"])})
            for entry in self._runs.values()
            if "breakdown" not in entry
        ]

    def by_seed(self, labels: Mapping[str, str]) -> dict[int, dict[str, Any]]:
        """Metrics and breakdown of the runs with exactly these labels, by seed."""
        wanted = dict(labels)
        return {run["seed"]: run for run in self._runs.values() if run["labels"] == wanted}
