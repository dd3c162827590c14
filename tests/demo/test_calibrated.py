import json

import numpy as np
import pytest

from sepc.calibration import ClassCalibration, ScoreCalibration
from sepc.calibration.calibrators import Linear
from sepc.demo import Detections
from sepc.demo.calibrated import CalibratedDetector

from ..tools import load_tool
from .files import write_image

tool = load_tool("demo")
HALF = ScoreCalibration("linear", {7: ClassCalibration(0.5, Linear(0.5, 0.0), 0.0)})


class Stub:
    class_names, category_ids = ["a", "b"], [3, 7]

    def __call__(self, images):
        boxes = np.arange(12.0).reshape(3, 4)
        return [Detections(boxes, np.array([0.4, 0.4, 0.8]), np.array([0, 1, 1])) for _ in images]


def test_scores_and_thresholds_are_those_of_the_category():
    detector = CalibratedDetector(Stub(), HALF)
    (found,) = detector([np.zeros((4, 4, 3), np.uint8)])
    assert found.scores.tolist() == [0.4, 0.4]  # of class 3, which is not in it, and 0.8 halved
    assert found.classes.tolist() == [0, 1]
    assert found.boxes[:, 0].tolist() == [0, 8]
    assert (detector.class_names, detector.category_ids) == (["a", "b"], [3, 7])


def test_native_detections_follow():
    torch = pytest.importorskip("torch")
    structures = pytest.importorskip("detectron2.structures")
    native = structures.Instances((4, 4), scores=torch.tensor([0.4, 0.8]))
    found = Detections(np.zeros((2, 4)), np.array([0.4, 0.8]), np.array([1, 1]), native)
    new = found.rescored(np.array([0.2, 0.3]), np.array([False, True]))
    assert new.native.scores.tolist() == pytest.approx([0.3])
    assert native.scores.tolist() == pytest.approx([0.4, 0.8])


def test_tool(tmp_path):
    pytest.importorskip("onnxruntime")
    from .test_onnx_detector import write_detector

    metadata = {"category_ids": "3,7"}
    detector = write_detector(tmp_path / "d.onnx", [3, 16, 24], metadata)
    image, output = write_image(tmp_path / "1.png"), tmp_path / "r.json"
    command = ["--onnx", str(detector), "--input", str(image), "--output", str(output)]
    assert tool.main([*command, "--confidence-threshold", "0"]) == 0
    (before,) = json.loads(output.read_text())
    ScoreCalibration("linear", {7: ClassCalibration(0.0, Linear(0.5, 0.0), 0.0)}).save(
        tmp_path / "c.json"
    )
    assert tool.main([*command, "--calibration", str(tmp_path / "c.json")]) == 0
    (after,) = json.loads(output.read_text())
    assert after["score"] == pytest.approx(np.clip(before["score"] / 2, 0, 1))
