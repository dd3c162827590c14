"""One score threshold for everything that shows detections."""

import inspect

import pytest

from sepc.score_threshold import SHOWN_SCORE
from sepc.visualize import draw_detections

from .tools import load_tool

DEMO = ["--onnx", "a.onnx", "--input", "a.jpg"]


def test_tools_take_it_and_say_so(capsys):
    demo, plot = load_tool("demo"), load_tool("plot_training")
    assert demo.parse_args(DEMO).confidence_threshold == SHOWN_SCORE
    assert demo.parse_args([*DEMO, "--calibration", "c.json"]).confidence_threshold == 0
    plain = plot.parse_args(["run", "--mistakes", "m.png"])
    assert plain.confidence_threshold == SHOWN_SCORE
    for tool in (demo, plot):
        with pytest.raises(SystemExit):
            tool.parse_args(["--help"])
        assert f"default: {SHOWN_SCORE:g}" in " ".join(capsys.readouterr().out.split())


def test_pictures_take_it():
    assert inspect.signature(draw_detections).parameters["score_thresh"].default == SHOWN_SCORE
