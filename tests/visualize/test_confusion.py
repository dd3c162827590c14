"""Confusion matrix, by COCO's matching; and the curves of precision beside it."""

import numpy as np
import pytest

from sepc.evaluation.coco import precision_curves
from sepc.visualize import match_detections
from sepc.visualize.confusion import Confusion, confusion_matrix, most_confused

IDS = (3, 5, 8)


def box(image, category, corner, side=20.0, **others):
    return {"image_id": image, "category_id": category, "bbox": [*corner, side, side], **others}


def content_of(*annotations):
    return {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in (7, 8)],
        "categories": [{"id": i, "name": str(i)} for i in IDS],
        "annotations": [{"iscrowd": 0, **a, "id": i} for i, a in enumerate(annotations)],
    }


def confusion(content, results, score_thresh=0.3):
    return confusion_matrix(match_detections(content, results, score_thresh=score_thresh), IDS)


def test_found_missed_confused_and_of_nothing():
    content = content_of(
        box(7, 3, (0.0, 0)), box(7, 5, (40.0, 0)), box(7, 5, (80.0, 0)), box(8, 8, (0.0, 0))
    )
    results = [
        box(7, 3, (1.0, 0), score=0.9),  # right
        box(7, 8, (41.0, 0), score=0.8),  # 5 taken for 8
        box(7, 8, (42.0, 0), score=0.7),  # the same object a second time
        box(7, 3, (0.0, 60), score=0.6),  # of nothing
        box(7, 5, (80.0, 0), score=0.2),  # too weak
        box(7, 8, (0.0, 0), score=0.5),  # on an object that was found
        box(8, 3, (11.0, 0), score=0.5),  # IoU 0.29
    ]
    found = confusion(content, results)
    assert found.counts.tolist() == [[1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [2, 0, 2, 0]]
    assert confusion(content, results, 0.1).counts[1].tolist() == [0, 1, 1, 0]


def test_right_class_comes_before_overlap():
    """Where objects of two classes overlap, each takes its own detection, as in AP."""
    content = content_of(box(7, 3, (0.0, 0)), box(7, 5, (4.0, 0)))
    results = [box(7, 5, (1.0, 0), score=0.9), box(7, 3, (3.0, 0), score=0.8)]
    assert confusion(content, results).counts.tolist() == np.diag([1, 1, 0, 0]).tolist()


def test_crowds_do_not_count_in_their_class_and_are_no_object_of_another():
    content = content_of(box(7, 3, (0.0, 0), 60.0, iscrowd=1))
    results = [box(7, 3, (5.0, 5), score=0.9), box(7, 5, (0.0, 0), 60.0, score=0.9)]
    assert confusion(content, results).counts.tolist() == [[0] * 4] * 3 + [[0, 1, 0, 0]]


def test_sums_are_those_of_the_matches():
    """Of random boxes: every object is in its row once, every detection in its column."""
    rng = np.random.default_rng(0)

    def random_box(**others):
        image, category = int(rng.choice((7, 8))), int(rng.choice(IDS))
        return box(image, category, rng.uniform(0, 60, 2).tolist(), **others)

    content = content_of(*(random_box() for _ in range(80)))
    results = [random_box(score=float(rng.random())) for _ in range(300)]
    matches = match_detections(content, results, score_thresh=0.3)
    counts = confusion_matrix(matches, IDS).counts
    assert (counts >= 0).all() and (counts[:3, :3] - np.diag(counts.diagonal()[:3])).sum() > 5
    for index, category in enumerate(IDS):
        of_class = [a for a in content["annotations"] if a["category_id"] == category]
        strong = [r for r in results if r["category_id"] == category and r["score"] >= 0.3]
        assert counts[index].sum() == len(of_class)
        assert counts[:, index].sum() == len(strong)
        assert counts[index, index] == sum(
            each["category_id"] == category for match in matches for each in match.found
        )


def test_most_confused_classes_and_the_others_as_one():
    counts = np.zeros((6, 6), int)
    counts[1, 4], counts[0, 2], counts[3, 3], counts[5, 3], counts[2, 5] = 7, 1, 9, 4, 3
    counts[4, 0] = 2
    kept = most_confused(Confusion(list(range(5)), 0, counts), 2)
    assert kept.classes == [1, 4] and kept.pooled == 3
    assert kept.counts.tolist() == [[0, 7, 0, 0], [0, 0, 2, 0], [0, 0, 10, 3], [0, 0, 4, 0]]
    assert most_confused(kept, 2) is kept


def test_nothing_at_all():
    assert confusion(content_of(), []).counts.tolist() == [[0] * 4] * 4


def test_precision_over_recall():
    content = content_of(box(7, 3, (0.0, 0)), box(8, 3, (0.0, 0)), box(7, 5, (40.0, 0)))
    results = [
        box(7, 3, (0.0, 0), score=0.9),
        box(8, 3, (60.0, 0), score=0.8),
        box(8, 3, (0.0, 0), score=0.1),
    ]
    curves = precision_curves(content, results)
    assert curves.precision.shape == (3, 101)
    assert curves.precision[0, :51] == pytest.approx(1)
    assert curves.precision[0, 51:] == pytest.approx(2 / 3)
    assert curves.scores[0, 50] == 0.9 and curves.scores[0, 51] == 0.1
    assert (curves.precision[1] == 0).all() and (curves.precision[2] == -1).all()
    assert (precision_curves(content, []).precision[:2] == 0).all()
    with pytest.raises(ValueError, match=r"annotated images, got image_id \[9\]"):
        precision_curves(content, [box(9, 3, (0.0, 0), score=1.0)])
