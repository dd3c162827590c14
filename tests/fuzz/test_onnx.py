"""ONNX files: damaged ones, with other inputs, outputs and texts, and that find what is none."""

import random

import numpy as np
import pytest

from ..demo.test_onnx_detector import write_detector
from .mutations import STRANGE, damaged_bytes
from .outcome import check

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from sepc.demo import OnnxDetector  # noqa: E402
from sepc.export import load_exported  # noqa: E402

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
TEXTS = ("image_size", "batch", "min_size", "resize_short_edge", "resize_max", "pixel_mean")
TEXTS += ("class_names", "category_ids", "score_threshold", "format_version", "outputs")
TEXTS += ("inclusive_boxes", "input_format")
NUMBERS = ("0", "-1", "inf", "1e400", "1e9,1e9", "0,0", "8,8", "7", "1,2,3", "3.5", "99999999999")
BOXES = ([2.0, 4, 12, 9], [np.nan] * 4, [np.inf, 0, 1, 1], [-1e38, -1e38, 1e38, 1e38], [9, 9, 1, 1])


def show(path) -> None:
    """Everything that the demo and the evaluation of a file do with it on an image."""
    detector = OnnxDetector(path)
    for found in detector([IMAGE, IMAGE]):
        assert np.isfinite(found.boxes).all() and (found.classes >= 0).all()
        detector.draw(IMAGE, found)
        detector.draw_frame(IMAGE, found.above(0.1))
    import torch

    exported = load_exported(path)
    exported.detect(torch.from_numpy(IMAGE.transpose(2, 0, 1).copy()))


def write_constant(path, outputs: dict[str, np.ndarray], input_shape, kind) -> None:
    """File that finds the same in every image."""
    nodes = [
        helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))
        for name, value in outputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", kind, input_shape)],
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for name, v in outputs.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)


def test_damaged_files(tmp_path):
    path = write_detector(tmp_path / "d.onnx", [3, "h", "w"], {"min_size": "8"})
    show(path)
    good = path.read_bytes()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        show(path)

    check(read, lambda rng: damaged_bytes(good, rng))


def test_texts(tmp_path):
    def make(rng: random.Random) -> dict[str, str]:
        values = (*NUMBERS, *map(str, STRANGE))
        texts = {rng.choice(TEXTS): rng.choice(values) for _ in range(rng.randint(1, 2))}
        return {k: v.encode("utf-8", "replace").decode() for k, v in texts.items()}

    def read(texts: dict[str, str]) -> None:
        show(write_detector(tmp_path / "d.onnx", [3, "h", "w"], texts))

    check(read, make)


def test_what_files_find(tmp_path):
    """Layouts of the input and the outputs, values that are no boxes, classes of none."""

    def make(rng: random.Random):
        boxes = np.array([rng.choice(BOXES) for _ in range(rng.randint(0, 3))], np.float32)
        count = len(boxes)
        outputs = {
            "boxes": boxes.reshape(-1, 4),
            "scores": np.array([rng.choice((0.5, 0.9, np.nan, -1, 7)) for _ in range(count)], "f4"),
            "classes": np.array([rng.choice((0, 1, -1, 2**40)) for _ in range(count)], np.int64),
            "images": np.zeros(count, np.int64),
        }
        for name in list(outputs) if rng.random() < 0.5 else ():
            change = rng.randrange(12)
            if change == 0:
                del outputs[name]
            elif change == 1:
                outputs[name] = outputs[name].T[None].copy()
            elif change == 2:
                outputs[name] = outputs[name].astype(rng.choice((np.float64, np.int64, np.float16)))
            elif change == 3:
                outputs[name] = np.zeros((5, 4), np.float32)
        shape = rng.choice(([3, "h", "w"], [3, 16, 24], ["n", 3, "h", "w"], [1, 3, 16, 24]))
        if rng.random() < 0.2:
            shape = rng.choice((["h", "w", 3], [16, 24, 3], [2, 3, "h", "w"], [4], [], [3, 1, 1]))
        kind = rng.choice((TensorProto.UINT8, TensorProto.FLOAT, TensorProto.DOUBLE))
        return outputs, shape, kind

    def read(given) -> None:
        with np.errstate(invalid="ignore"):
            write_constant(tmp_path / "d.onnx", *given)
        show(tmp_path / "d.onnx")

    check(read, make)
