"""Corrupted images and the mean performance on them (https://arxiv.org/abs/2109.01123)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sepc.robustness import CORRUPTIONS, Robustness, available, corrupt, summarize

from ..case import Case


def run_corruption(case: Case) -> None:
    name = case.id.removeprefix("img_")
    if name not in available():
        pytest.skip("the pictures of frost are not installed")
    for place, expected in case.arrays.items():
        severity, image = map(int, place.split("/"))
        seed = 165100 + 1000 * image + 10 * case.config["index"] + severity
        ours = corrupt(case.inputs[f"image{image}"], name, severity, seed=seed)
        distance = np.abs(ours.astype(int) - expected)
        assert (distance > 1).mean() <= 2e-5, (place, distance.max())  # as between its versions
        assert distance.max() <= 2, place


def run_mean(case: Case) -> None:
    results = case.load(case.spec["file"])
    right, reference = case.spec["right"], case.spec["reference"]
    if "classes" in case.config:  # the reference has the mean of the classes' ratios
        ours = summarize_metric(case, results, np.mean)
        np.testing.assert_allclose(ours[:2], [right["P"], right["mPC"]], rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.relative, right["rPC"], rtol=0, atol=1e-9)
        assert abs(right["rPC_mean_of_ratios"] - reference["rPC"]) < 1e-6
        return
    for place, metric in enumerate(case.config["metrics"]):
        ours = summarize_metric(case, results, lambda cell, metric=metric: cell["bbox"][metric])
        for value, name in zip(ours, ("P", "mPC", "rPC"), strict=True):
            expected = float(right[name][place])
            if expected == -1:  # nothing to measure
                assert math.isnan(value)
            else:
                np.testing.assert_allclose(value, expected, rtol=0, atol=1e-9)
            differs = abs(float(reference[name][place]) - np.nan_to_num(value, nan=-1)) > 1e-4
            if name == "P":
                assert not differs
            elif "BUG" in case.spec["note"]:  # where the reference is wrong
                assert differs


def summarize_metric(
    case: Case, results: dict[str, dict[str, Any]], metric: Callable[[Any], float]
) -> Robustness:
    grid = {
        name: {int(severity): metric(cell) for severity, cell in cells.items() if severity != "0"}
        for name, cells in results.items()
    }
    clean = metric(next(iter(results.values()))["0"])
    names = grid if case.config.get("aggregate") == "all" else CORRUPTIONS
    return summarize(clean, grid, names)


RUNNERS = {"corruption": run_corruption, "mPC_rPC": run_mean}
