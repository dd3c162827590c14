"""The demo over a folder with files of every kind."""

import json

import numpy as np
import pytest
from PIL import Image

from ..tools import load_tool
from .test_images import HUGE, encoded

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from ..demo.test_onnx_detector import write_detector


def test_demo_goes_on_after_bad_images(tmp_path, capsys):
    """Each is told in one line and counted; strips and odd modes are no bad images."""
    folder = tmp_path / "in"
    folder.mkdir()
    good = {"a.png": (20, 30), "b.png": (1, 3000), "c.png": (3000, 1), "d.png": (1, 1)}
    for name, size in good.items():
        Image.fromarray(np.full((*size, 3), 200, np.uint8)).save(folder / name)
    (folder / "e.jpg").write_bytes(encoded("JPEG", "CMYK", turned=6))
    bad = {f"{name}.png": content for name, content in HUGE.items()}
    bad |= {"empty.jpg": b"", "deep.png": encoded("PNG", "I;16"), "text.bmp": b"no image"}
    bad |= {"half.jpg": encoded("JPEG", "RGB", (300, 200))[:9000]}
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    texts = {"resize_short_edge": "40", "resize_max": "60"}
    detector = str(write_detector(tmp_path / "d.onnx", [3, "h", "w"], texts))
    arguments = ["--onnx", detector, "--input", str(folder), "--confidence-threshold", "0.01"]
    for output in ("pictures", "r.json"):
        status = load_tool("demo").main([*arguments, "--output", str(tmp_path / output)])
        out, error = capsys.readouterr()
        assert status == 2 and "Traceback" not in error
        assert f"{len(good) + 1} of {len(good) + 1 + len(bad)} images done" in out
        lines = [line for line in error.splitlines() if "left out: " in line]
        assert len(lines) == len(bad) and all(any(name in x for x in lines) for name in bad)
    assert len(list((tmp_path / "pictures").iterdir())) == len(good) + 1
    assert json.loads((tmp_path / "r.json").read_text())


def test_a_detector_that_fails_on_one_image_of_a_batch(tmp_path):
    from sepc.demo import run_on_images

    from ..demo.files import Brightness, write_image

    class Failing(Brightness):
        def detect(self, image):
            if image.mean() < 100:
                raise RuntimeError("too dark\nfor this one")
            return super().detect(image)

    paths = [write_image(tmp_path / f"{i}.png", value=60 if i == 1 else 200) for i in range(3)]
    problems, seen = [], []
    done = run_on_images(
        paths,
        Failing(),
        lambda path, *_: seen.append(path) or True,
        threshold=0.1,
        batch_size=8,
        report=problems.append,
        show_progress=False,
    )
    assert done == 2 and seen == [paths[0], paths[2]]
    assert problems == [f"{paths[1]}: too dark for this one"]
