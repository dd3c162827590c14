"""COCO's metrics, for one run or several beside each other."""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sepc.data.validate import read_annotations
from sepc.evaluation.coco import check_results

#: COCO's twelve numbers, in the order of COCOeval.
METRICS = (
    "AP",
    "AP50",
    "AP75",
    "AP small (under 32 px)",
    "AP medium (32 to 96 px)",
    "AP large (over 96 px)",
    "AR, 1 detection",
    "AR, 10 detections",
    "AR, 100 detections",
    "AR small",
    "AR medium",
    "AR large",
)


def coco_metrics(
    json_path: str | os.PathLike[str], results: list[dict[str, Any]]
) -> dict[str, float]:
    """Compute COCO's metrics of detections.

    Args:
        json_path: the ground truth.
        results: in COCO's results format.

    Raises:
        FileNotFoundError, ValueError: for a file without annotations to score by, and results of
            other images.

    Returns:
        percent by the names of :data:`METRICS`; -1 where there is no ground truth of a size.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = read_annotations(json_path, scoring=True)
        truth.createIndex()
        check_results(truth.dataset, results)
        # loadRes can't take an empty list
        found = truth.loadRes(results) if results else COCO()
        if not results:
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {
        name: 100 * float(value) if value >= 0 else -1.0
        for name, value in zip(METRICS, evaluation.stats, strict=True)
    }


def format_table(runs: Mapping[str, Mapping[str, float]]) -> str:
    """Format the metrics of runs as columns; of two runs, the difference as a third.

    Args:
        runs: name of the run to its metrics.
    """
    names = list(runs)
    rows = [["", *names]]
    for metric in METRICS:
        values = [runs[name][metric] for name in names]
        row = [metric] + ["-" if v < 0 else f"{v:.1f}" for v in values]
        if len(names) == 2:
            row.append("-" if min(values) < 0 else f"{values[0] - values[1]:+.1f}")
        rows.append(row)
    if len(names) == 2:
        rows[0].append("difference")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def busiest_image(results: list[dict[str, Any]]) -> int | None:
    """Id of the image with the most detections, where a check of them says most."""
    counts = Counter(result["image_id"] for result in results)
    return counts.most_common(1)[0][0] if counts else None
