"""Metrics of a detector on images as they are and corrupted, in one file that grows."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import atomic_write
from .summary import Grid, Robustness, summarize

CLEAN = "clean"
#: metrics of a corruption at a severity; of :data:`CLEAN` at severity 0
Evaluate = Callable[[str, int], Mapping[str, float]]


class RobustnessRecord:
    """File of finished evaluations, whole at any time.

    Args:
        path: JSON file; made with the first evaluation.
        setting: detector and data; another one does not go on in the same file.

    Raises:
        ValueError: the file is of another setting, or not a record.
    """

    def __init__(self, path: Path, setting: Mapping[str, Any]) -> None:
        self.path = path
        self.setting = dict(setting)
        self._results: dict[str, dict[str, dict[str, float | None]]] = {}
        if not path.exists():
            return
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found, self._results = content["setting"], content["results"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected a record of robustness, got {error!r}") from error
        if found != self.setting:
            raise ValueError(
                f"{path}: expected evaluations of {self.setting}, it has those of {found}; choose "
                "another --output"
            )

    def has(self, name: str, severity: int) -> bool:
        """Whether this evaluation is finished."""
        return str(severity) in self._results.get(name, {})

    def add(self, name: str, severity: int, metrics: Mapping[str, float]) -> None:
        """Keep an evaluation. Where nothing is found at all, AP is not a number: that is 0."""
        nothing = math.isnan(metrics["AP"])
        kept = {k: 0.0 if nothing else _or_none(v) for k, v in metrics.items()}
        self._results.setdefault(name, {})[str(severity)] = kept
        with atomic_write(self.path) as partial:
            content = {"setting": self.setting, "results": self._results}
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def grid(self, metric: str) -> Grid:
        """The metric by corruption and severity, NaN where there is nothing to measure."""
        return {
            name: {int(severity): _or_nan(cell[metric]) for severity, cell in cells.items()}
            for name, cells in self._results.items()
            if name != CLEAN
        }

    def clean(self, metric: str) -> float:
        """The metric on images as they are."""
        return _or_nan(self._results[CLEAN]["0"][metric])

    def summary(self, metric: str) -> Robustness:
        """P, mPC and rPC of a metric."""
        return summarize(self.clean(metric), self.grid(metric))

    @property
    def metrics(self) -> list[str]:
        return list(self._results[CLEAN]["0"])


def measure(
    evaluate: Evaluate,
    record: RobustnessRecord,
    corruptions: Sequence[str],
    severities: Sequence[int],
    *,
    say: Callable[[str], None],
) -> None:
    """Evaluate what the record lacks, first on images as they are."""
    cells = [(CLEAN, 0), *((name, severity) for name in corruptions for severity in severities)]
    waiting = [cell for cell in cells if not record.has(*cell)]
    if len(waiting) < len(cells):
        say(f"{len(cells) - len(waiting)} of {len(cells)} evaluations were finished before")
    start = time.monotonic()
    for number, (name, severity) in enumerate(waiting, start=1):
        metrics = evaluate(name, severity)
        record.add(name, severity, metrics)
        left = (time.monotonic() - start) / number * (len(waiting) - number) / 60
        what = name if name == CLEAN else f"{name} {severity}"
        done = len(cells) - len(waiting) + number
        say(f"[{done}/{len(cells)}] {what}: AP {metrics['AP']:.1f}; about {left:.0f} min left")


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
