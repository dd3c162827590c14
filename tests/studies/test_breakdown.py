"""AP of groups of objects, on detections whose answers are known."""

import json

import pytest

from studies.breakdown import Breakdown


def annotation(number, box, category=1, **others):
    entry = {"id": number, "image_id": 1, "category_id": category, "bbox": box}
    return {**entry, "area": 1, "iscrowd": 0, **others}


def detection(box, score, category=1):
    return {"image_id": 1, "category_id": category, "bbox": box, "score": score}


SMALL, OTHER_SMALL, LARGE = [0, 0, 10, 12], [20, 0, 8, 9], [40, 40, 70, 80]


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "instances.json"
    content = {
        "images": [{"id": 1, "width": 128, "height": 128, "file_name": "1.jpg"}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            annotation(1, SMALL),
            annotation(2, OTHER_SMALL, category=2),
            annotation(3, LARGE),
            annotation(4, [100, 0, 20, 20], iscrowd=1),
        ],
    }
    path.write_text(json.dumps(content))
    return Breakdown(path)


def ap(truth, results, ids):
    return truth.average_precision(results, {"chosen": ids})["chosen"]["AP"]


def test_octaves_by_the_longer_side_of_the_boxes_without_crowds(truth):
    assert truth.octaves() == {"8 to 16 px": [1, 2], "64 to 128 px": [3]}


def test_only_the_chosen_objects_can_be_found_or_missed(truth):
    found = [detection(SMALL, 0.9), detection(OTHER_SMALL, 0.8, category=2)]
    groups = truth.average_precision(found, truth.octaves())
    assert groups == {
        "8 to 16 px": {"AP": 100.0, "objects": 2},
        "64 to 128 px": {"AP": 0.0, "objects": 1},
    }
    # of two categories one is found
    assert ap(truth, found[:1], [1, 2]) == 50.0
    assert ap(truth, found[:1], [1]) == 100.0


def test_a_detection_of_another_object_is_no_mistake(truth):
    """Though it is of the size of the chosen ones, and more certain."""
    found = [detection(SMALL, 0.9), detection([2, 2, 10, 12], 0.1)]
    truth.content["annotations"][1]["category_id"] = 1
    assert ap(truth, [detection(OTHER_SMALL, 0.99), *found], [1]) == 100.0


def test_a_detection_of_nothing_counts_where_it_is_as_large_as_the_chosen_objects(truth):
    """Above the right one it halves the precision, at every recall."""
    nothing = [80, 10, 10, 12]
    found = [detection(nothing, 0.99), detection(SMALL, 0.9), detection(LARGE, 0.8)]
    assert ap(truth, found, [1]) == pytest.approx(50.0, abs=0.01)
    assert ap(truth, found, [3]) == 100.0


def test_nothing_found_is_no_ap(truth):
    assert ap(truth, [], [1, 3]) == 0.0
