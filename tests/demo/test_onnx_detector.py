"""Exported detectors on images of any size. The files are the smallest that have the interface."""

import numpy as np
import pytest

from sepc.demo import OnnxDetector
from sepc.export.preprocess import prepare_image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402


def write_detector(path, shape, metadata=None, *, kind=TensorProto.UINT8, outputs=True):
    """One box [2, 4, 12, 9] of class 1, scored by the first value of each image."""
    batched = len(shape) == 4
    constants = {
        "box": np.array([[2, 4, 12, 9]], np.float32),
        "one": np.array([1], np.int64),
        "first": np.zeros((4 if batched else 3, 1), np.int64).reshape(-1),
        "n": np.array([-1], np.int64),
    }
    nodes = [helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT)]
    axes = [1, 2, 3] if batched else [0, 1, 2]
    constants["starts"] = np.zeros(3, np.int64)
    constants["ends"] = np.ones(3, np.int64)
    constants["axes"] = np.array(axes, np.int64)
    nodes += [
        helper.make_node("Slice", ["values", "starts", "ends", "axes"], ["corner"]),
        helper.make_node("Reshape", ["corner", "n"], ["scores"]),
        helper.make_node("Shape", ["scores"], ["count"]),
        helper.make_node("Concat", ["count", "one"], ["tiles"], axis=0),
        helper.make_node("Tile", ["box", "tiles"], ["boxes"]),
        helper.make_node("Expand", ["one", "count"], ["classes"]),
    ]
    results = [("boxes", TensorProto.FLOAT), ("scores", TensorProto.FLOAT)]
    results += [("classes", TensorProto.INT64)]
    if batched:
        constants |= {"zero": np.array(0, np.int64), "step": np.array(1, np.int64)}
        constants["empty"] = np.array([0], np.int64)
        nodes += [
            helper.make_node("Squeeze", ["count"], ["number"]),
            helper.make_node("Range", ["zero", "number", "step"], ["images"]),
        ]
        results.append(("images", TensorProto.INT64))
    if not outputs:
        results = results[:1]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info(name, t, None) for name, t in results],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def image(height, width, blue=10, green=20, red=30):
    return np.full((height, width, 3), (blue, green, red), np.uint8)


def test_same_size(tmp_path):
    names = 'ring,"a, b"'
    path = write_detector(tmp_path / "d.onnx", [3, 16, 24], {"class_names": names})
    detector = OnnxDetector(path)
    assert detector.class_names == ["ring", "a, b"]
    assert detector.category_ids is None and detector.score_threshold == 0
    (found,) = detector([image(16, 24)])
    assert found.boxes.tolist() == [[2, 4, 12, 9]]
    assert found.scores.tolist() == [30] and found.classes.tolist() == [1]
    assert detector.draw(image(16, 24), found).shape == (341, 512, 3)
    assert detector.draw_frame(image(16, 24), found).shape == (16, 24, 3)


@pytest.mark.parametrize(("order", "first"), [("RGB", 30), ("BGR", 10)])
@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.FLOAT])
def test_order_of_channels_and_type(tmp_path, order, first, kind):
    path = write_detector(tmp_path / "d.onnx", [3, 16, 24], {"input_format": order}, kind=kind)
    assert OnnxDetector(path)([image(16, 24)])[0].scores.tolist() == [first]


def test_fixed_size_keeps_proportions(tmp_path):
    path = write_detector(tmp_path / "d.onnx", [3, 16, 24], {"pixel_mean": "7,8,9"})
    detector = OnnxDetector(path)
    prepared = prepare_image(image(64, 48), detector.metadata)
    assert prepared.pixels.shape == (3, 16, 24) and prepared.content_size == (16, 12)
    assert prepared.pixels[:, 15, 11].tolist() == [30, 20, 10]
    assert prepared.pixels[:, 0, 12].tolist() == [7, 8, 9]
    (found,) = detector([image(64, 48)])
    assert found.boxes.tolist() == [[8, 16, 48, 36]]


def test_boxes_on_the_padding_are_left_out(tmp_path):
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", [3, 16, 24]))
    (found,) = detector([image(160, 10)])  # one column of 16 x 24
    assert len(found) == 0


@pytest.mark.parametrize(
    ("size", "expected"), [((40, 60), (20, 30)), ((10, 100), (4, 40)), ((20, 20), (20, 20))]
)
def test_resizing_of_a_dynamic_file(tmp_path, size, expected):
    texts = {"resize_short_edge": "20", "resize_max": "40"}
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", [3, "h", "w"], texts))
    assert prepare_image(image(*size), detector.metadata).pixels.shape == (3, *expected)


def test_least_size_of_a_dynamic_file(tmp_path):
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", [3, "h", "w"], {"min_size": "32"}))
    assert prepare_image(image(20, 50), detector.metadata).pixels.shape == (3, 32, 50)
    assert prepare_image(image(40, 50), detector.metadata).pixels.shape == (3, 40, 50)
    assert detector([image(20, 50)])[0].boxes.tolist() == [[2, 4, 12, 9]]


def test_inclusive_boxes_are_taken_back(tmp_path):
    texts = {"resize_short_edge": "20", "inclusive_boxes": "true"}
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", [3, "h", "w"], texts))
    assert detector([image(40, 60)])[0].boxes.tolist() == [[4, 8, 23, 17]]


@pytest.mark.parametrize("batch", ["n", 2, 4])
def test_batches(tmp_path, batch):
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", [batch, 3, 16, 24]))
    found = detector([image(16, 24, red=red) for red in (50, 60, 70)])
    assert [each.scores.tolist() for each in found] == [[50], [60], [70]]
    assert all(each.boxes.tolist() == [[2, 4, 12, 9]] for each in found)


def test_category_ids(tmp_path):
    texts = {"category_ids": "1,7", "score_threshold": "0.05"}
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", [3, 16, 24], texts))
    assert detector.category_ids == [1, 7] and detector.score_threshold == 0.05


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx does not exist"):
        OnnxDetector(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no ONNX")
    with pytest.raises(ValueError, match=r"text\.onnx can't be run in ONNX Runtime"):
        OnnxDetector(tmp_path / "text.onnx")
    with pytest.raises(ValueError, match=r"expected one image .* as input and the outputs"):
        OnnxDetector(write_detector(tmp_path / "d.onnx", [3, 16, 24], outputs=False))
