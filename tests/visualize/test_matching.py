"""Detections matched with ground truth as COCO does, and drawn."""

import cv2
import numpy as np
import pytest

from sepc.visualize import draw_mistakes, match_detections
from sepc.visualize.drawing import bgr, class_color


def box(image, category, corner, side=20.0, **others):
    return {"image_id": image, "category_id": category, "bbox": [*corner, side, side], **others}


@pytest.fixture
def content():
    return {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in (7, 8, 9)],
        "categories": [{"id": 3, "name": "ring"}, {"id": 5, "name": "star"}],
        "annotations": [
            box(7, 3, (0.0, 0), id=0, iscrowd=0),  # COCO's own evaluation takes the id 0 for none
            box(7, 5, (40.0, 40), id=1, iscrowd=0),
            box(8, 3, (0.0, 0), 60.0, id=2, iscrowd=1),
        ],
    }


def outcome(matches):
    return {
        each.image["id"]: tuple(
            len(getattr(each, kind)) for kind in ("right", "wrong", "found", "missed", "crowds")
        )
        for each in matches
    }


def test_outcomes_and_order(content):
    results = [
        box(7, 3, (1.0, 1), score=0.9),  # right, although the object's id is 0
        box(7, 3, (2.0, 2), score=0.8),  # a second one of the same object
        box(7, 5, (0.0, 0), score=0.7),  # of another class
        box(7, 5, (40.0, 40), score=0.2),  # right, but too weak
        box(8, 3, (5.0, 5), score=0.6),  # in a crowd
        box(8, 3, (30.0, 30), score=0.6),  # in the same crowd
        box(9, 5, (0.0, 0), score=0.5),  # of nothing
    ]
    matches = match_detections(content, results, score_thresh=0.3)
    assert [each.image["id"] for each in matches] == [7, 9, 8]
    assert outcome(matches) == {7: (1, 2, 1, 1, 0), 9: (0, 1, 0, 0, 0), 8: (2, 0, 0, 0, 1)}
    assert matches[0].right[0]["score"] == 0.9
    assert matches[0].missed[0]["category_id"] == 5
    assert matches[0].mistakes == 3
    weaker = match_detections(content, results, score_thresh=0.1)
    assert outcome(weaker)[7] == (2, 2, 2, 0, 0)


@pytest.mark.parametrize(("overlap", "right"), [(0.5, 1), (0.49, 0)])
def test_threshold_of_overlap(content, overlap, right):
    result = box(7, 3, (0.0, 0), score=0.9)
    result["bbox"][3] = 20 * overlap
    matches = match_detections(content, [result], score_thresh=0.3)
    assert outcome(matches)[7][:2] == (right, 1 - right)


def test_the_best_score_takes_the_object(content):
    results = [box(7, 3, (0.0, 0), score=0.5), box(7, 3, (3.0, 0), score=0.6)]
    (worst, *_) = match_detections(content, results, score_thresh=0.3)
    assert worst.right[0]["score"] == 0.6 and worst.wrong[0]["score"] == 0.5


def test_among_equals_the_surer_mistake_comes_first(content):
    content["annotations"] = []
    results = [box(8, 3, (0.0, 0), score=0.5), box(9, 3, (0.0, 0), score=0.9)]
    matches = match_detections(content, results, score_thresh=0.3)
    assert [each.image["id"] for each in matches] == [9, 8, 7]


def test_no_detections_at_all(content):
    assert outcome(match_detections(content, [], score_thresh=0.3)) == {
        7: (0, 0, 0, 2, 0),
        8: (0, 0, 0, 0, 1),
        9: (0, 0, 0, 0, 0),
    }


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (box(1, 3, (0.0, 0), score=0.9), r"annotated images, got image_id \[1\]"),
        (box(7, 4, (0.0, 0), score=0.9), r"annotated categories, got category_id \[4\]"),
    ],
)
def test_results_of_other_data(content, result, message):
    with pytest.raises(ValueError, match=message):
        match_detections(content, [result], score_thresh=0.3)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in (7, 8, 9):
        cv2.imwrite(str(folder / f"{i}.png"), np.zeros((64, 64, 3), np.uint8))
    return folder


NAMES = {3: "ring", 5: "star"}


def test_mistakes_are_marked(content, images, tmp_path):
    path = tmp_path / "out" / "mistakes.png"
    results = [box(7, 3, (0.0, 0), score=0.9), box(7, 3, (44.0, 0), score=0.9)]
    matches = match_detections(content, results, score_thresh=0.3)
    draw_mistakes(matches, images, NAMES, path, num_images=1, side=256)
    left, right = np.split(cv2.imread(str(path)), 2, axis=1)
    colors = bgr(class_color(0)), bgr(class_color(1))
    ring, star = ([(x == color).all(axis=2) for x in (left, right)] for color in colors)
    assert star[0].sum() > 200 and not star[1].any()  # missed, with its label
    # the same object is thin on both sides; the mistake beside it has more and a label
    assert 200 < ring[0].sum() < 400 and ring[1].sum() - ring[0].sum() > 2 * ring[0].sum()


def test_fewer_images_than_wanted(content, images, tmp_path):
    matches = match_detections(content, [], score_thresh=0.3)
    draw_mistakes(matches, images, NAMES, tmp_path / "m.jpg", num_images=50, side=64)
    assert cv2.imread(str(tmp_path / "m.jpg")).shape[0] > 2 * 64


def test_bad_input_leaves_no_picture(content, images, tmp_path):
    matches = match_detections(content, [], score_thresh=0.3)
    path = tmp_path / "out" / "m.png"
    with pytest.raises(ValueError, match="expected images to draw, got 0"):
        draw_mistakes([], images, NAMES, path)
    with pytest.raises(ValueError, match=r"a picture such as \.png or \.jpg, got .*m\.json"):
        draw_mistakes(matches, images, NAMES, path.with_suffix(".json"))
    (images / "7.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"7\.png does not exist"):
        draw_mistakes(matches, images, NAMES, path)
    assert not path.parent.exists()
