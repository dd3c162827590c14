"""An ONNX file is all that the demo needs, and then all that it imports."""

import subprocess
import sys

import pytest

from sepc.calibration import ClassCalibration, ScoreCalibration
from sepc.calibration.calibrators import Linear

from ..tools import ROOT
from ..without import TORCH, run_without
from .files import write_image, write_video

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from .test_onnx_detector import write_detector

DEMO = ROOT / "tools" / "demo.py"
HEAVY = (*TORCH, "pycocotools", "matplotlib", "scipy", "pandas")
TELL_IMPORTED = """
import runpy, sys

sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    print(end.code, *sys.modules)
"""


@pytest.fixture
def detector(tmp_path):
    return write_detector(tmp_path / "d.onnx", [3, 16, 24])


def test_pictures_with_a_calibration(detector, tmp_path):
    image, calibration = write_image(tmp_path / "a.png"), tmp_path / "c.json"
    ScoreCalibration("linear", {2: ClassCalibration(0.0, Linear(0.5, 0.0), 0.0)}).save(calibration)
    arguments = ["--input", image, "--output", tmp_path / "found.png", "--calibration", calibration]
    done = run_without(HEAVY, DEMO, "--onnx", detector, *arguments)
    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
    assert (tmp_path / "found.png").read_bytes() != image.read_bytes()


def test_video(detector, tmp_path):
    source, output = write_video(tmp_path / "film.avi", frames=2), tmp_path / "found.avi"
    arguments = ["--video-input", source, "--output", output]
    done = run_without(HEAVY, DEMO, "--onnx", detector, *arguments)
    assert done.returncode == 0, done.stderr
    assert output.stat().st_size


def test_an_error_is_told(detector, tmp_path):
    done = run_without(HEAVY, DEMO, "--onnx", tmp_path / "no.onnx", "--input", "a", "--output", "b")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the ONNX file")


def test_torch_is_not_imported_where_it_is_installed(detector, tmp_path):
    output = tmp_path / "r.json"
    arguments = ["--onnx", detector, "--input", write_image(tmp_path / "a.png"), "--output", output]
    command = [sys.executable, "-c", TELL_IMPORTED, DEMO, *arguments]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    status, *imported = done.stdout.splitlines()[-1].split()
    assert status == "0", done.stderr
    assert "onnxruntime" in imported and not {*HEAVY} & {*imported}
    assert output.is_file()
