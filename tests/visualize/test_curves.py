"""Curves from a metrics.json as trainings leave it."""

import json

import cv2
import pytest

from sepc.visualize import plot_training, read_metrics
from sepc.visualize.curves import PANELS, new_figure, panels_of

pytest.importorskip("matplotlib")

LINES = [
    {"iteration": 19, "total_loss": 2.0, "loss_cls": 1.5, "loss_box_reg": 0.5, "lr": 0.1},
    {"iteration": 39, "total_loss": 1.0, "loss_cls": 0.7, "lr": 0.1},
    {"iteration": 39, "bbox/AP": 10.0, "bbox/AP50": 20.0},
    {"iteration": 59, "total_loss": float("nan")},
    {"iteration": 39, "total_loss": 1.1},
]


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.json"
    lines = [json.dumps(line) for line in LINES]
    path.write_text("\n".join([*lines, '{"iteration": 99, "total_lo']))
    return path


def test_read_metrics_with_gaps(metrics):
    found = read_metrics(metrics)
    assert found["total_loss"] == ([19, 39], [2.0, 1.1])
    assert found["loss_box_reg"] == ([19], [0.5])
    assert found["bbox/AP"] == ([39], [10.0])
    assert "iteration" not in found


@pytest.mark.parametrize("names", [["one"], ["one", "other"]])
def test_plot(metrics, tmp_path, names):
    path = tmp_path / "pictures" / "curves.png"
    plot_training({name: metrics for name in names}, path)
    picture = cv2.imread(str(path))
    assert picture.shape[1] > 800
    assert picture.std() > 5
    assert [file.name for file in path.parent.iterdir()] == ["curves.png"]


def test_metrics_without_a_readable_line(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("nothing\n")
    with pytest.raises(ValueError, match='expected lines of JSON with an "iteration"'):
        read_metrics(path)


def test_missing_metrics_leave_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        plot_training({"one": tmp_path / "absent.json"}, tmp_path / "curves.png")
    assert list(tmp_path.iterdir()) == []


def test_no_training_to_plot(tmp_path):
    with pytest.raises(ValueError, match="at least one training to plot, got none"):
        plot_training({}, tmp_path / "curves.png")


def lines_of(draw, runs):
    axes = new_figure(figsize=(3, 3)).subplots()
    draw(axes, runs)
    return axes, {line.get_label() for line in axes.lines}


def test_panels(metrics):
    one = {"one": read_metrics(metrics)}
    assert lines_of(PANELS["loss"], one)[1] == {"total_loss", "loss_cls", "loss_box_reg"}
    axes, labels = lines_of(PANELS["learning rate"], one)
    assert labels == {"one"} and axes.get_legend() is None
    assert list(axes.lines[0].get_xdata()) == [19, 39]
    assert lines_of(PANELS["AP"], one)[1] == {"AP", "AP50"}


def test_panels_of_many_trainings_show_the_total_alone(metrics):
    runs = {name: read_metrics(metrics) for name in "abcdefgh"}
    _, labels = lines_of(PANELS["loss"], runs)
    assert labels == {f"{name} total_loss" for name in runs}


def test_panel_without_its_metric_says_so():
    axes, labels = lines_of(PANELS["AP"], {"one": {"total_loss": ([1], [2.0])}})
    assert not labels and axes.texts[0].get_text() == "none recorded"


def test_offsets_are_the_mean_over_the_layers_of_a_level():
    metrics = {
        "offset/stage_1/level_1": ([19, 39], [0.0, 1.0]),
        "offset/classification/level_1": ([19, 39], [0.5, 2.0]),
        "offset/stage_1/level_2": ([19], [0.25]),
    }
    axes, labels = lines_of(PANELS["offsets"], {"one": metrics})
    assert labels == {"level 1", "level 2"}
    (fine,) = (line for line in axes.lines if line.get_label() == "level 1")
    assert list(fine.get_xdata()) == [19, 39] and list(fine.get_ydata()) == [0.25, 1.5]


def test_offsets_have_a_panel_where_something_deforms():
    plain, deforms = {"total_loss": ([1], [2.0])}, {"offset/stage_1/level_1": ([1], [0.5])}
    assert list(panels_of({"a": plain})) == ["loss", "learning rate", "AP"]
    assert list(panels_of({"a": plain, "b": deforms}))[-1] == "offsets"
