"""Facts about a training, from the files it left."""

import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from ..visualize.curves import Metrics
from .run import Run, read_object

_DETECTRON2 = ("detectron2", "sal-detectron2")  # upstream's name, and that of a redistribution
_PACKAGES = ("torch", "torchvision", "numpy", *_DETECTRON2, "opencv-python-headless")
_SIZES = {"APs": "small (under 32 px)", "APm": "medium (32 to 96 px)", "APl": "large (over 96 px)"}
_CONFIG_KEYS = {
    "variant": r"\bvariant: *([\w-]+)",
    "base learning rate": r"^optimizer:(?:\n .*)*?\n  lr: *(\S+)",
    "iterations": r"\bmax_iter: *(\d+)",
    "images per iteration": r"\btotal_batch_size: *(\d+)",
    "classes": r"^  num_classes: *(\d+)",
    "seed": r"^  seed: *(-?\d+)",
}


def coco_table(run: Run, metrics: Metrics) -> dict[str, float]:
    """COCO's metrics by name, in percent, -1 where there is no such object; empty if unknown.

    The quick start notes all twelve; otherwise those of the last evaluation in the metrics.
    """
    noted = read_object(run.folder / "finished.json")
    numbers = {name: float(v) for name, v in noted.items() if isinstance(v, int | float)}
    if numbers:
        return numbers
    names = {"AP": "AP", "AP50": "AP50", "AP75": "AP75"}
    names |= {key: f"AP {size}" for key, size in _SIZES.items()}
    last = {key.removeprefix("bbox/"): values[-1] for key, (_, values) in metrics.items()}
    return {name: last[key] for key, name in names.items() if key in last}


def ap_per_size(table: Mapping[str, float]) -> dict[str, float]:
    """AP by size of the objects: "small (under 32 px)" and so on."""
    return {size: table[f"AP {size}"] for size in _SIZES.values() if f"AP {size}" in table}


def ap_per_class(metrics: Metrics) -> dict[str, float]:
    """AP by class of the last evaluation; empty if it was not noted."""
    prefix = "bbox/AP-"
    return {
        name.removeprefix(prefix): values[-1]
        for name, (_, values) in metrics.items()
        if name.startswith(prefix)
    }


def training_seconds(metrics: Metrics) -> float | None:
    """Time spent in iterations, from their recorded means; None if it was not recorded."""
    if "time" not in metrics:
        return None
    iterations, seconds = metrics["time"]
    starts = [-1, *iterations[:-1]]
    total = sum((i - s) * t for i, s, t in zip(iterations, starts, seconds, strict=True))
    return total if abs(total) < timedelta.max.total_seconds() else None  # of damaged lines


def config_text(run: Run) -> str | None:
    path = run.folder / "config.yaml"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def config_facts(run: Run) -> dict[str, str]:
    """Settings that one asks for first, by name."""
    facts = {key: str(value) for key, value in run.quickstart().items() if key != "data"}
    text = config_text(run) or ""
    for name, pattern in _CONFIG_KEYS.items():
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            facts.setdefault(name, found[1])
    return facts


def environment(run: Run) -> tuple[dict[str, str], str]:
    """Versions by package, and their source: the log of the training, or else this process."""
    log = run.folder / "log.txt"
    if log.is_file():
        found = _environment_of_log(log)
        if found:
            return found, "as logged when the training began"
    here = {"system": platform.platform(), "Python": platform.python_version()}
    here["cores"] = str(os.cpu_count())
    for package in _PACKAGES:
        try:
            here[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return here, "when this report was written (the training has no log of it)"


def _environment_of_log(path: Path) -> dict[str, str]:
    """Rows of the last table of versions that Detectron2 logged, without the places of packages."""
    text = path.read_text(encoding="utf-8", errors="replace")
    tables = re.findall(r"Environment info:\s*\n-{5}.*\n((?:.+\n)*?)-{5}", text)
    if not tables:
        return {}
    rows = (re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in tables[-1].splitlines())
    return {row[0]: re.sub(r" ?@/\S+", "", row[1]) for row in rows if len(row) == 2}
