"""What a training leaves of its evaluations: the best weights, results.json and a report."""

import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import nn

from ...checkpoint.writing import write_data
from ...files import atomic_write
from ...metrics import read_rows
from ...program import one_line
from ...report import Run, write_report
from .data_note import DataNote, paths_of
from .setup import dataset_names

BEST = "model_best.pth"

logger = logging.getLogger(__name__)


class BestWeights:
    """Keeper of ``model_best.pth``, the weights whose evaluation had the highest AP.

    Detectron2's ``BestCheckpointer`` would mark its file as the last checkpoint, which a resume
    goes on from, and forget at a resume what was best. Here ``metrics.json`` tells it.

    Args:
        cfg: a whole config.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self._folder = cfg.train.output_dir
        self._note = DataNote(cfg)
        self._best: float | None = None

    def update(self, model: nn.Module, results: Mapping[str, Mapping[str, float]]) -> None:
        """Write the weights if their AP is the highest so far; the first AP is.

        Args:
            model: as it was evaluated, in parallel or not.
            results: task to metric to value; the first task with an AP counts.

        Raises:
            OSError: if the file can't be written; the one before stays.
        """
        found = [(f"{task}/AP", x["AP"]) for task, x in results.items() if "AP" in x]
        if not found or math.isnan(found[0][1]):
            return
        name, value = found[0]
        if self._best is None:
            before = [row[name] for row in _scored(_evaluations(self._folder), name)]
            self._best = max(before, default=-math.inf)
        if value <= self._best:
            return
        self._best = value
        path = os.path.join(self._folder, BEST)
        weights = getattr(model, "module", model).state_dict()
        content = {"model": weights, "data": self._note.state_dict(), "evaluation": {name: value}}
        write_data(content, path)
        logger.info(f"Highest {name} so far, {value:.2f}: {path}")


def log_briefly(results: Mapping[str, Mapping[str, float]]) -> None:
    """Log a line per task: its AP and AP by overlap and size."""
    for task, metrics in results.items():
        values = [f"{k} {v:.2f}" for k, v in metrics.items() if "-" not in k]
        logger.info(f"{task}: {', '.join(values)}")


def write_results(cfg: DictConfig) -> None:
    """Write ``results.json`` and ``report.html`` of a training that has ended.

    ``results.json`` has the last evaluation, the best one, and the paths of the data. Without
    matplotlib, or where ``train.report`` is False, there is no report.

    Args:
        cfg: of the training; ``metrics.json`` of its output folder tells the rest.

    Raises:
        OSError: if a file can't be written.
    """
    folder = cfg.train.output_dir
    rows = _evaluations(folder)
    content: dict[str, Any] = {"data": _data(cfg)}
    if rows:
        content["last"] = _metrics(rows[-1])
        name = next(key for key in rows[-1] if key.endswith("/AP"))
        if scored := _scored(rows, name):
            content["best"] = _metrics(max(scored, key=lambda row: row[name]))
    with atomic_write(os.path.join(folder, "results.json")) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if not cfg.train.get("report", True):
        return
    try:
        logger.info(f"Report: {write_report(Run(Path(folder)))}")
    except ImportError as error:
        logger.info(f"No report.html: {one_line(error)}")
    except ValueError as error:
        logger.warning(f"No report.html: {one_line(error)}")


def _evaluations(folder: str) -> list[dict[str, Any]]:
    """Rows of ``metrics.json`` with an AP, in the order of the training."""
    path = Path(folder, "metrics.json")
    rows = read_rows(path) if path.is_file() else []
    return [row for row in rows if any(name.endswith("/AP") for name in row)]


def _scored(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Rows whose value of that name is a number."""
    return [row for row in rows if not math.isnan(row.get(name, math.nan))]


def _metrics(row: Mapping[str, Any]) -> dict[str, Any]:
    """Iteration and metrics of an evaluation; None where one is not a number, as JSON has none."""
    metrics = {name: value for name, value in row.items() if "/" in name or name == "iteration"}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in metrics.items()}


def _data(cfg: DictConfig) -> dict[str, str]:
    """Annotation file and image folder of the evaluation, empty if they are not known."""
    paths = paths_of(cfg)
    for name in dataset_names(cfg.dataloader.get("test")):
        if name in paths:
            return {"annotations": paths[name]["json_file"], "images": paths[name]["image_root"]}
    return {}
