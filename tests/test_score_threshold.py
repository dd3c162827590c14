"""One score threshold for everything that shows detections."""

import inspect

import pytest

from sepc.score_threshold import SHOWN_SCORE
from sepc.visualize import draw_detections

from .tools import load_tool

DEMO = ["--onnx", "a.onnx", "--input", "a.jpg"]


def test_tools_take_it_and_say_so(capsys):
    demo, plot = (
        load_tool(name).main.__globals__["parse_args"] for name in ("demo", "plot_training")
    )
    assert demo(DEMO).confidence_threshold == SHOWN_SCORE
    assert demo([*DEMO, "--calibration", "c.json"]).confidence_threshold == 0
    assert plot(["run", "--mistakes", "m.png"]).confidence_threshold == SHOWN_SCORE
    for parse_args in (demo, plot):
        with pytest.raises(SystemExit):
            parse_args(["--help"])
        assert f"default: {SHOWN_SCORE:g}" in " ".join(capsys.readouterr().out.split())


def test_pictures_take_it():
    assert inspect.signature(draw_detections).parameters["score_thresh"].default == SHOWN_SCORE
