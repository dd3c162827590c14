"""Labels of boxes, and the colors of classes."""

import itertools

import cv2
import numpy as np
import pytest

from sepc.visualize.drawing import bgr, class_color
from sepc.visualize.labels import Label, draw_labels, places

HEIGHT, WIDTH = 120, 160


def labels_of(boxes, text="ring 0.90"):
    """Labels of boxes, each in a color of its own by which its pixels are known."""
    return [Label(text, tuple(box), (101 + i, 0, 200)) for i, box in enumerate(boxes)]


def grounds(labels, shape=(HEIGHT, WIDTH)):
    """Draw labels; return the number left out and the extent (x1, y1, x2, y2) of each."""
    picture = np.zeros((*shape, 3), np.uint8)
    left_out = draw_labels(picture, labels)
    extents = []
    for label in labels:
        rows, columns = np.nonzero((picture == label.color).all(axis=2))
        if len(rows) > 20:
            extents.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return left_out, extents


def cover(a, b):
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


def test_labels_of_one_box_many_times_do_not_cover_each_other():
    left_out, extents = grounds(labels_of([(50, 40, 140, 100)] * 6))
    assert left_out == 0 and len(extents) == 6
    assert not any(cover(a, b) for a, b in itertools.combinations(extents, 2))
    one = extents[0][2] - extents[0][0], extents[0][3] - extents[0][1]
    assert all((x2 - x1, y2 - y1) == one for x1, y1, x2, y2 in extents)  # whole, so inside


def test_random_boxes_in_and_around_a_picture():
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.integers(-200, 300, size=(25, 2))
        boxes = np.concatenate([corners, corners + rng.integers(0, 200, size=(25, 2))], axis=1)
        left_out, extents = grounds(labels_of(boxes.tolist()))
        assert left_out + len(extents) == 25
        assert not any(cover(a, b) for a, b in itertools.combinations(extents, 2))
        assert len({(x2 - x1, y2 - y1) for x1, y1, x2, y2 in extents}) == 1


def test_first_label_has_the_first_choice():
    box = (20, 40, 120, 100)
    _, (first, second) = grounds(labels_of([box, box]))
    assert first[3] == 40 and first[0] == 20  # right above the box
    assert second[0] > first[2] - 1 or second[1] >= 40


@pytest.mark.parametrize(
    "box", [(0, 0, 60, 60), (100, 0, 160, 60), (0, 60, 60, 120), (-900, -900, 900, 900)]
)
def test_label_at_the_border_is_whole(box):
    _, ((x1, y1, x2, y2),) = grounds(labels_of([box]))
    _, ((u1, v1, u2, v2),) = grounds(labels_of([(40, 50, 150, 110)]))
    assert (x2 - x1, y2 - y1) == (u2 - u1, v2 - v1)


def test_text_wider_than_the_picture_is_cut():
    left_out, ((x1, _, x2, _),) = grounds(labels_of([(0, 20, 60, 60)], "long name " * 9))
    assert left_out == 0 and x1 >= 0 and x2 <= WIDTH


def test_picture_without_room_stays_as_it_is():
    for shape in ((5, 200), (200, 5)):
        assert grounds(labels_of([(0, 0, 5, 5)] * 2), shape) == (2, [])
    assert list(places((0, 0, 4, 4), (20, 10), (9, 100))) == []


def test_colors_of_classes_differ_and_stay():
    assert class_color(0) == "#E69F00"
    colors = np.array([bgr(class_color(i)) for i in range(1203)])
    assert len({tuple(color) for color in colors[:100].tolist()}) == 100
    lab = cv2.cvtColor(np.float32(colors[None] / 255), cv2.COLOR_BGR2LAB)[0]
    pairs = itertools.combinations(lab[:20], 2)
    assert min(np.linalg.norm(a - b) for a, b in pairs) > 20  # 2 can just be told apart
    assert np.linalg.norm(np.diff(lab[:100], axis=0), axis=1).min() > 20


def test_text_can_be_read_on_every_ground():
    picture = np.zeros((40, 200, 3), np.uint8)
    for index in range(80):
        picture[:] = 0
        color = bgr(class_color(index))
        draw_labels(picture, [Label("mmmmm", (5, 20, 60, 39), color)])
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(int)
        ground = cv2.cvtColor(np.array([[color]], np.uint8), cv2.COLOR_BGR2GRAY).astype(int)
        assert np.abs(gray - ground).max() > 90, (index, color)
