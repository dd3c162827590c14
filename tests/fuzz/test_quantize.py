"""Files and calibration images of tools/quantize_onnx.py."""

import random

import pytest

from ..tools import load_tool
from .mutations import damaged_bytes
from .outcome import TRIES, check
from .test_images import encoded

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from ..demo.test_onnx_detector import write_detector


def test_damaged_files_and_images(tmp_path, capsys):
    tool = load_tool("quantize_onnx")
    model, image = tmp_path / "d.onnx", tmp_path / "image.jpg"
    good_model = write_detector(model, [3, 16, 24], {"image_size": "16,24"}).read_bytes()
    good_image = encoded("JPEG", "RGB")

    def make(rng: random.Random) -> tuple[bytes, bytes]:
        if rng.random() < 0.5:
            return damaged_bytes(good_model, rng), good_image
        return good_model, damaged_bytes(good_image, rng)

    def read(given: tuple[bytes, bytes]) -> None:
        model.write_bytes(given[0])
        image.write_bytes(given[1])
        arguments = [str(model), str(tmp_path / "out.onnx"), "--images", str(image)]
        if tool.main([*arguments, "--precision", "int8-static"]):
            raise ValueError

    check(read, make, tries=TRIES // 2)
    assert all(line.startswith("error: ") for line in capsys.readouterr().err.splitlines())
