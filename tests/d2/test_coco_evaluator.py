import copy
import importlib.util
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pycocotools.mask
import pytest
from detectron2.data import MetadataCatalog
from detectron2.evaluation import coco_evaluation
from omegaconf import OmegaConf
from pycocotools.cocoeval import COCOeval

from sepc.d2.coco_evaluator import PooledCOCOEvaluator, _matched_anew, _pooled
from sepc.d2.engine import check_evaluation

DATA = Path(__file__).resolve().parents[1] / "golden_neighbours" / "data"
AP_POOL = 35.532805172446275  # of the reference, for these detections


@pytest.fixture
def evaluator():
    name = "ap_pool_of_a_test"
    MetadataCatalog.get(name).json_file = str(DATA / "ap_gt.json")
    yield PooledCOCOEvaluator(name, distributed=False)
    MetadataCatalog.remove(name)


def predictions():
    results = json.loads((DATA / "ap_detections.json").read_text())
    by_image = itertools.groupby(results, key=lambda each: each["image_id"])
    return [{"image_id": image, "instances": list(group)} for image, group in by_image]


def test_pool_stands_beside_ap(evaluator):
    evaluator._predictions = predictions()
    found = evaluator.evaluate()["bbox"]
    assert found["AP"] == pytest.approx(40.08478447404928)
    assert found["APpool"] == pytest.approx(AP_POOL)


def test_matches_that_are_kept_back_are_made_once_more(evaluator):
    truth = evaluator._coco_api
    found = truth.loadRes(str(DATA / "ap_detections.json"))
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    assert _pooled(evaluation) == pytest.approx(AP_POOL)
    compiled = copy.copy(evaluation)
    compiled.evalImgs = []  # as Detectron2's compiled evaluation leaves it
    assert _pooled(compiled) == pytest.approx(AP_POOL)
    assert len(_matched_anew(compiled).params.areaRng) == 1


def test_nothing_found_is_not_a_number(evaluator):
    evaluator._predictions = [{"image_id": 1, "instances": []}]
    assert math.isnan(evaluator.evaluate()["bbox"]["APpool"])


def with_masks(found):
    """The same detections with a mask each, most of their box."""
    for image in found:
        for each in image["instances"]:
            x, y, w, h = each["bbox"]
            mask = np.zeros((240, 320), np.uint8, order="F")
            mask[max(int(y), 0) : int(y + h) + 1, max(int(x), 0) : int(x + 0.8 * w) + 1] = 1
            each["segmentation"] = pycocotools.mask.encode(mask)
    return found


def test_faster_coco_eval_gives_the_same_numbers(evaluator, monkeypatch):
    package = pytest.importorskip("faster_coco_eval")
    calls = []
    run = package.COCOeval_faster.evaluate
    monkeypatch.setattr(
        package.COCOeval_faster, "evaluate", lambda self: calls.append(self) or run(self)
    )
    for truth in evaluator._coco_api.dataset["annotations"]:
        x, y, w, h = truth["bbox"]
        truth["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    name = evaluator._metadata.name
    faster = PooledCOCOEvaluator(name, distributed=False, faster_coco_eval=True)
    faster._coco_api = copy.deepcopy(evaluator._coco_api)
    evaluator._use_fast_impl = False
    found = []
    for each in (evaluator, faster):
        each._predictions = with_masks(predictions())
        each._tasks = ("bbox", "segm")
        found.append(each.evaluate())
    assert len(calls) == 2 and coco_evaluation.COCOeval is COCOeval
    for task in ("bbox", "segm"):
        assert found[1][task] == pytest.approx(found[0][task], nan_ok=True)
    assert found[1]["bbox"]["AP"] == pytest.approx(40.08478447404928)
    assert 0 < found[1]["segm"]["AP"] < 40


def test_faster_coco_eval_that_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="expected the package faster-coco-eval to be installed"):
        PooledCOCOEvaluator("any", faster_coco_eval=True)
    cfg = OmegaConf.create({"dataloader": {"test": {}, "evaluator": {"faster_coco_eval": True}}})
    with pytest.raises(ValueError, match="faster-coco-eval"):
        check_evaluation(cfg)
