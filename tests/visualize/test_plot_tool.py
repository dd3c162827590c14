"""tools/plot_training.py."""

import json

import cv2
import numpy as np
import pytest

from sepc.jobs.plot_training import metrics_of, split_name

from ..tools import load_tool

pytest.importorskip("matplotlib")

tool = load_tool("plot_training")


@pytest.fixture
def run(tmp_path):
    """The folder of a training beside its data, as a quick start leaves them."""
    data, folder = tmp_path / "shapes", tmp_path / "first"
    for new in (data / "annotations", data / "val2017", folder / "inference"):
        new.mkdir(parents=True)
    cv2.imwrite(str(data / "val2017" / "1.png"), np.zeros((64, 64, 3), np.uint8))
    box = {"image_id": 1, "category_id": 3, "bbox": [8.0, 8, 20, 20]}
    content = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "categories": [{"id": 3, "name": "ring"}],
        "annotations": [{**box, "id": 1, "iscrowd": 0}],
    }
    (data / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    results = folder / "inference" / "coco_instances_results.json"
    results.write_text(json.dumps([{**box, "score": 0.9}]))
    (folder / "quickstart.json").write_text(json.dumps({"data": str(data)}))
    (folder / "metrics.json").write_text('{"iteration": 1, "total_loss": 2.0, "lr": 0.1}\n')
    return folder


def test_names_of_trainings(run, tmp_path):
    metrics = run / "metrics.json"
    assert metrics_of([str(run), f"other={metrics}", f"a={run}"]) == {
        "first": metrics,
        "other": metrics,
        "a": metrics,
    }
    odd = tmp_path / "lr=0.1"
    odd.mkdir()
    assert split_name(str(odd)) == ("lr=0.1", odd)
    with pytest.raises(ValueError, match="two trainings are named first"):
        metrics_of([str(run), str(metrics)])


def test_curves_and_mistakes(run, tmp_path, capsys):
    curves, mistakes = tmp_path / "new" / "c.png", tmp_path / "new" / "m.png"
    assert tool.main([str(run), "--output", str(curves), "--mistakes", str(mistakes)]) == 0
    assert curves.stat().st_size and mistakes.stat().st_size
    assert "0 of 1 objects missed, 0 of 1 detections wrong" in capsys.readouterr().out


def test_files_that_are_named(run, tmp_path):
    data, results = tmp_path / "shapes", run / "inference" / "coco_instances_results.json"
    (run / "quickstart.json").unlink()
    moved = results.rename(tmp_path / "found.json")
    command = [str(run), "--mistakes", str(tmp_path / "m.png"), "--results", str(moved)]
    assert tool.main(command) == 2
    command += ["--annotations", str(data / "annotations" / "instances_val2017.json")]
    assert tool.main([*command, "--images", str(data / "val2017")]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent", "--output", "c.png"], "absent does not exist: expected a folder or a metrics"),
        (["{run}", "--mistakes", "m.png", "--results", "absent"], "absent does not exist"),
        (["{run}", "--mistakes", "m.png", "--num-images", "0"], "0 wanted"),
    ],
)
def test_bad_input_is_told_in_one_line(run, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert tool.main([each.format(run=run) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "expected --output FILE, --mistakes FILE or both"),
        (["a", "b", "--mistakes", "m.png"], "expected one training, got 2"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, capsys):
    with pytest.raises(SystemExit):
        tool.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("first/inference/coco_instances_results.json", "[", "is not valid JSON"),
        ("first/inference/coco_instances_results.json", "[1]", "a list in COCO's results format"),
        ("shapes/annotations/instances_val2017.json", "[]", "expected a JSON object, got a list"),
    ],
)
def test_broken_files(run, tmp_path, capsys, name, text, message):
    (tmp_path / name).write_text(text)
    assert tool.main([str(run), "--mistakes", str(tmp_path / "m.png")]) == 2
    assert message in capsys.readouterr().err
