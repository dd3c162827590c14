"""Tests of the sheet of ground truth and detections."""

import json

import cv2
import numpy as np
import pytest

from sepc.visualize import draw_detections


@pytest.fixture
def data(tmp_path):
    """Three black images of unequal sizes, the second without objects."""
    (tmp_path / "images").mkdir()
    sizes = [(64, 64), (32, 64), (64, 48)]
    for i, size in enumerate(sizes):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.zeros((*size, 3), np.uint8))
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "categories": [{"id": 3, "name": "ring"}, {"id": 9, "name": "star"}],
        "annotations": [
            {"image_id": 0, "category_id": 3, "bbox": [8.0, 8, 20, 20], "iscrowd": 0},
            {"image_id": 2, "category_id": 9, "bbox": [0.0, 0, 48, 64], "iscrowd": 1},
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path


def draw(data, results, **options):
    path = data / "out" / "sheet.png"
    draw_detections(data / "truth.json", data / "images", results, path, **options)
    return cv2.imread(str(path))


def colored(picture):
    """Find pixels of boxes: neither black, white nor gray."""
    return np.ptp(picture.astype(int), axis=2) > 60


def test_truth_on_the_left_and_detections_on_the_right(data):
    weak = {"image_id": 0, "category_id": 3, "bbox": [8, 8, 20, 20], "score": 0.2}
    sheet = draw(data, [weak], num_images=1)
    middle = sheet.shape[1] // 2
    assert colored(sheet[:, :middle]).sum() > 200
    assert colored(sheet[:, middle:]).sum() == 0
    strong = {**weak, "score": 0.9}
    sheet = draw(data, [strong], num_images=1)
    assert colored(sheet[:, middle:]).sum() > 200


def test_all_images_in_a_grid(data):
    one, all_of_them = draw(data, [], num_images=1), draw(data, [])
    assert all_of_them.shape[0] >= 2 * 384
    assert all_of_them.shape[1] == 2 * one.shape[1]


def test_missing_image(data):
    (data / "images" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.png does not exist"):
        draw(data, [])
    assert not (data / "out").exists()


def test_unreadable_image(data):
    (data / "images" / "1.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"1\.png: expected an image"):
        draw(data, [])
