"""Image in, boxes out: the same for evaluation, demo, serving and calibration."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sepc.export import Signature
from sepc.export.exported import ExportedDetector
from sepc.export.preprocess import (
    detect_in_image,
    prepare_image,
    resized_size,
    restore_boxes,
)
from sepc.jobs import quantize_onnx

from ..demo.test_onnx_detector import write_detector

ROOT = Path(__file__).resolve().parents[2]
RESIZED = {"resize_short_edge": "40", "resize_max": "60"}


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, (480, 640)),
        ({"image_size": "32,64"}, (32, 43)),
        ({"image_size": "64,32"}, (24, 32)),
        ({"resize_short_edge": "800", "resize_max": "1333"}, (800, 1067)),
        ({"resize_short_edge": "800", "resize_max": "1000"}, (750, 1000)),
        ({"resize_short_edge": "800"}, (800, 1067)),
    ],
)
def test_size_at_which_a_file_sees_an_image(metadata, expected):
    assert resized_size(480, 640, metadata) == expected


def test_order_of_the_channels():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 9  # blue
    for order, expected in (("BGR", [9, 0, 0]), ("RGB", [0, 0, 9])):
        prepared = prepare_image(image, {"input_format": order})
        assert prepared.pixels[:, 0, 0].tolist() == expected


def test_padding_has_the_mean_color():
    metadata = {"image_size": "16,24", "pixel_mean": "7.4,8,9"}
    prepared = prepare_image(picture(64, 48), metadata)
    assert prepared.pixels.shape == (3, 16, 24)
    assert prepared.content_size == (16, 12)
    assert prepared.image_size == (64, 48)
    assert (prepared.pixels[:, :, 12:] == np.array([7, 8, 9])[:, None, None]).all()
    assert prepare_image(picture(20, 50), {"min_size": "32"}).pixels.shape == (3, 32, 50)
    assert prepare_image(picture(40, 50), {"min_size": "32"}).pixels.shape == (3, 40, 50)


def test_sizes_are_those_of_detectron2():
    T = pytest.importorskip("detectron2.data.transforms")
    for short, longest in ((40, 60), (33, 41), (800, 1333)):
        metadata = {"resize_short_edge": str(short), "resize_max": str(longest)}
        reference = T.ResizeShortestEdge([short, short], longest)
        for height, width in np.random.default_rng(1).integers(9, 1200, (500, 2)).tolist():
            expected = reference.get_output_shape(height, width, short, longest)
            assert resized_size(height, width, metadata) == expected


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("size", [(75, 90), (90, 51), (30, 33), (41, 40)])
def test_all_users_see_the_same_pixels(order, size, tmp_path, monkeypatch):
    """Evaluation by Detectron2, of a file, the demo, the example and the calibration."""
    T = pytest.importorskip("detectron2.data.transforms")
    pytest.importorskip("onnxruntime")
    from sepc.d2.export.run import ResizeForFile
    from sepc.demo import OnnxDetector

    metadata = {**RESIZED, "input_format": order, "batch": "none", "image_size": "dynamic"}
    image = picture(*size)
    cv2.imwrite(str(tmp_path / "image.png"), image)

    def by_detectron2(augmentation):
        given = T.AugInput(np.ascontiguousarray(image[..., :: 1 if order == "BGR" else -1]))
        augmentation(given)
        return given.image.transpose(2, 0, 1)

    expected = by_detectron2(T.ResizeShortestEdge([40, 40], 60))
    assert np.array_equal(by_detectron2(ResizeForFile(metadata)), expected)

    seen = []
    demo = OnnxDetector(write_detector(tmp_path / "d.onnx", [3, "h", "w"], metadata))
    run = demo._run
    monkeypatch.setattr(demo, "_run", lambda images: seen.extend(images) or run(images))
    demo([image])
    assert np.array_equal(seen.pop(), expected)

    def keep(pixels):
        seen.append(pixels)
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)

    detect_in_image(image, keep, metadata)  # what the example calls
    assert np.array_equal(seen.pop(), expected)

    exported = ExportedDetector(None, "onnx", metadata | Signature().as_text())
    calibration = quantize_onnx.prepare(str(tmp_path / "image.png"), exported)
    assert np.array_equal(calibration.numpy(), expected)


@pytest.mark.parametrize("inclusive", [False, True])
def test_boxes_come_back_as_in_detectron2(inclusive):
    pytest.importorskip("detectron2")
    from sepc.d2.export import ExportedModel

    boxes = torch.tensor([[2.0, 4, 12, 9], [-3, 1, 70, 50], [59, 39, 60, 40], [61, 3, 80, 9]])

    def run(image):
        return boxes.clone(), torch.arange(4.0), torch.arange(4)

    metadata = {**RESIZED, "inclusive_boxes": str(inclusive).lower(), **Signature().as_text()}
    image = picture(75, 113)
    prepared = prepare_image(image, metadata)
    given = {"image": torch.from_numpy(prepared.pixels), "height": 75, "width": 113}
    model = ExportedModel(ExportedDetector(run, "onnx", metadata))
    expected = model([given])[0]["instances"]
    found, scores, classes = detect_in_image(image, run, metadata)
    assert np.array_equal(found, expected.pred_boxes.tensor.numpy())
    assert scores.tolist() == expected.scores.tolist() == [0, 1, 2]
    assert classes.tolist() == [0, 1, 2]


def test_file_of_one_size_in_the_place_of_a_model():
    pytest.importorskip("detectron2")
    from sepc.d2.export import ExportedModel
    from sepc.d2.export.run import ResizeForFile

    seen = []

    def run(pixels):
        seen.append(pixels)
        boxes = torch.tensor([[0.0, 0, 20, 10], [25, 0, 30, 30]])
        return boxes, torch.ones(2), torch.ones(2, dtype=torch.int64)

    metadata = {"pixel_mean": "7,8,9", **Signature(image_size=(40, 60)).as_text()}
    model = ExportedModel(ExportedDetector(run, "onnx", metadata))
    image = picture(80, 50)
    resized = ResizeForFile(metadata).get_transform(image).apply_image(image)
    assert resized.shape == (40, 25, 3)
    given = {"image": torch.from_numpy(resized.transpose(2, 0, 1).copy())}
    found = model([{**given, "height": 80, "width": 50}])[0]["instances"]
    assert np.array_equal(seen[0].numpy(), prepare_image(image[..., ::-1], metadata).pixels)
    assert found.pred_boxes.tensor.tolist() == [[0, 0, 40, 20]]  # one lies on the padding


def test_inclusive_boxes_lose_what_the_scale_has_added():
    """A box of one pixel, enlarged by mmdetection 1.x, is one of one pixel again."""
    metadata = {"resize_short_edge": "40", "inclusive_boxes": "true"}
    prepared = prepare_image(picture(20, 30), metadata)
    boxes, seen = restore_boxes(np.array([[8.0, 6.0, 9.0, 7.0]], np.float32), prepared, metadata)
    assert seen.all()
    np.testing.assert_allclose(boxes, [[4, 3, 5, 4]])
    apart, _ = restore_boxes(np.array([[8.0, 6.0, 9.0, 7.0]], np.float32), prepared, {})
    np.testing.assert_allclose(apart, [[4, 3, 4.5, 3.5]])


def test_imports_neither_torch_nor_opencv():
    code = (
        "import sys, sepc.export.preprocess\n"
        "heavy = {'torch', 'torchvision', 'cv2', 'detectron2'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_classes_that_the_data_do_not_have_are_told():
    pytest.importorskip("detectron2")
    from sepc.d2.export import ExportedModel

    def run(image):
        return torch.tensor([[2.0, 4, 12, 9]]), torch.ones(1), torch.tensor([5])

    metadata = Signature().as_text()
    given = {"image": torch.zeros(3, 20, 20, dtype=torch.uint8)}
    exported = ExportedDetector(run, "onnx", metadata)
    assert len(ExportedModel(exported, num_classes=6)([given])[0]["instances"]) == 1
    with pytest.raises(ValueError, match="for the 5 classes of the data, it finds class 5"):
        ExportedModel(exported, num_classes=5)([given])
