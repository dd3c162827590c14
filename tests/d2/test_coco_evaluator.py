import copy
import itertools
import json
import math
from pathlib import Path

import pytest
from detectron2.data import MetadataCatalog
from pycocotools.cocoeval import COCOeval

from sepc.d2.coco_evaluator import PooledCOCOEvaluator, _matched_anew, _pooled

DATA = Path(__file__).resolve().parents[1] / "golden_neighbours" / "data"
AP_POOL = 35.532805172446275  # of the reference, for these detections


@pytest.fixture
def evaluator():
    name = "ap_pool_of_a_test"
    MetadataCatalog.get(name).json_file = str(DATA / "ap_gt.json")
    yield PooledCOCOEvaluator(name, distributed=False)
    MetadataCatalog.remove(name)


def test_pool_stands_beside_ap(evaluator):
    results = json.loads((DATA / "ap_detections.json").read_text())
    by_image = itertools.groupby(results, key=lambda each: each["image_id"])
    evaluator._predictions = [
        {"image_id": image, "instances": list(group)} for image, group in by_image
    ]
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
