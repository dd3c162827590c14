"""tools/demo.py with an ONNX file."""

import json
import sys

import pytest

from sepc.jobs import predict

from ..tools import load_tool
from .files import frames_of, write_image, write_video

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from .test_onnx_detector import write_detector

tool = load_tool("demo")


@pytest.fixture
def detector(tmp_path):
    return str(write_detector(tmp_path / "d.onnx", [3, 16, 24], {"score_threshold": "0.05"}))


def test_pictures_and_a_bad_file(detector, tmp_path, capsys):
    write_image(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("no image")
    command = ["--onnx", detector, "--output", str(tmp_path / "out"), "--input"]
    assert tool.main([*command, str(tmp_path / "in" / "a.png")]) == 0
    assert "1 of 1 images done" in capsys.readouterr().out
    assert tool.main([*command, str(tmp_path / "in"), "absent"]) == 2
    out, error = capsys.readouterr()
    assert "1 of 2 images done" in out
    assert error.rstrip().splitlines()[-3] == "2 problem(s):"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_json(detector, tmp_path, capsys):
    image = write_image(tmp_path / "000000000139.png")
    output = tmp_path / "r.json"
    command = ["--onnx", detector, "--input", str(image), "--output", str(output)]
    assert tool.main([*command, "--confidence-threshold", "0.01"]) == 0
    assert json.loads(output.read_text())[0]["image_id"] == 139
    assert "itself leaves out scores under 0.05" in capsys.readouterr().err


def test_nothing_found_in_no_image_leaves_no_json(detector, tmp_path):
    output = tmp_path / "r.json"
    assert tool.main(["--onnx", detector, "--input", "absent", "--output", str(output)]) == 2
    assert not output.exists()


def test_video(detector, tmp_path):
    source = write_video(tmp_path / "film.avi", frames=3)
    output = tmp_path / "found.mp4"
    command = ["--onnx", detector, "--video-input", str(source), "--output", str(output)]
    assert tool.main(command) == 0
    assert len(frames_of(output)) == 3


def test_video_as_an_image(detector, tmp_path, capsys):
    source = write_video(tmp_path / "film.avi", frames=1)
    assert tool.main(["--onnx", detector, "--input", str(source), "--output", str(tmp_path)]) == 2
    assert "film.avi: expected an image, " in (told := capsys.readouterr().err)
    assert "a video goes to --video-input" in told


def test_window(detector, tmp_path, monkeypatch, capsys):
    images = [str(write_image(tmp_path / f"{i}.png")) for i in range(3)]
    shown = []
    monkeypatch.setattr(
        predict, "show", lambda name, picture, wait_ms: len(shown.append(0) or shown) < 2
    )
    assert tool.main(["--onnx", detector, "--input", *images]) == 0
    assert len(shown) == 2 and "2 of 3 images done" in capsys.readouterr().out


def test_interrupted(detector, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "run_on_images", stop)
    assert tool.main(["--onnx", detector, "--input", str(tmp_path)]) == 130
    assert "Stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "a"], "one of the arguments --config-file --onnx is required"),
        (["--onnx", "d"], "one of the arguments --input --video-input --webcam is required"),
        (["--onnx", "d", "--webcam", "--output", "o"], "--webcam shows a window"),
        (["--onnx", "d", "--input", "a", "--weights", "w"], "expected no --weights"),
        (["--onnx", "d", "--input", "a", "--confidence-threshold", "2"], "expected 0 to 1, got 2"),
        (["--onnx", "d", "--input", "a", "--batch-size", "0"], "expected 1 or more, got 0"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        tool.main(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_file_that_is_missing(tmp_path, capsys):
    assert tool.main(["--onnx", str(tmp_path / "no.onnx"), "--input", "a", "--output", "o"]) == 2
    assert capsys.readouterr().err.startswith("error: the ONNX file")


def test_without_detectron2(monkeypatch, capsys):

    monkeypatch.setitem(sys.modules, "detectron2", None)
    for name in [name for name in sys.modules if name.startswith("sepc.d2")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sepc.d2.demo", None)
    assert tool.main(["--config-file", "a.py", "--input", "b", "--output", "c"]) == 2
    assert "without Detectron2 use an exported file: --onnx" in capsys.readouterr().err
