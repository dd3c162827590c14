"""AP for many classes (https://arxiv.org/abs/2102.01066): COCO's AP, AP-Pool, AP-Fixed."""

import numpy as np
import pytest

from sepc.evaluation import from_coco, limit_per_class, match_boxes, pooled_ap
from sepc.evaluation.lvis import evaluate_lvis

from ..case import Case

TIGHT = {"rtol": 0, "atol": 1e-12}
OVERLAPS = np.linspace(0.5, 0.95, 10)


def coco_matches(content: dict, results: list):
    truths = {i: a for i, a in enumerate(content["annotations"], start=1)}
    return match_boxes(content, truths, dict(enumerate(results, start=1)), ious=OVERLAPS)


def run_coco(case: Case) -> None:
    """COCO's own AP through our matching, and that AP-Pool is not its AP without classes."""
    content, results = (case.load(name) for name in case.spec["files"])
    evaluation = coco_matches(content, results)
    values = case.spec["values"]
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    np.testing.assert_allclose(precision.mean(), values["coco"]["stats"]["AP"], **TIGHT)
    ours = precision.mean(axis=(0, 1))
    np.testing.assert_allclose(ours, list(values["coco"]["AP_per_class"].values()), **TIGHT)
    pooled = pooled_ap(from_coco(evaluation.evalImgs)).mean()
    assert abs(pooled - values["coco_class_agnostic"]["stats"]["AP"]) > 1e-3


def run_pool_and_fixed(case: Case) -> None:
    content, results = (case.load(name) for name in case.spec["files"])
    for name, expected in case.spec["values"].items():
        if name.startswith("AP_pool"):
            limited = limit_per_class(results, int(name.partition("_K")[2]))
            assert len(limited) == expected["detections_in"]
            if "exhaustive" in case.id:  # every class is checked everywhere: COCO's matching
                check_pool(pooled_ap(from_coco(coco_matches(content, limited).evalImgs)), expected)
    pytest.importorskip("lvis")
    for name, expected in case.spec["values"].items():
        kind, _, limit = name.partition("_K")
        if kind == "AP_fixed":
            metrics = evaluate_lvis(content, results, per_class=int(limit)).metrics
            for metric in ("AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf"):
                np.testing.assert_allclose(metrics[metric], expected[metric], **TIGHT)
        elif kind == "AP_pool":
            found = evaluate_lvis(content, results, per_class=int(limit))
            check_pool(found.pooled, expected)
            for group in "rcf":
                ours = found.metrics[f"APpool{group}"]
                np.testing.assert_allclose(ours, expected[f"AP-pooled-{group}"], **TIGHT)


def check_pool(ours: np.ndarray, expected: dict) -> None:
    np.testing.assert_allclose(ours, expected["AP_per_iou"], **TIGHT)
    np.testing.assert_allclose(ours.mean(), expected["AP-pooled-all"], **TIGHT)


RUNNERS = {"coco_ap": run_coco, "ap_pool_fixed": run_pool_and_fixed}
