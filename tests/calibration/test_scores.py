import json
from pathlib import Path

import numpy as np
import pytest

from sepc.calibration import (
    ClassCalibration,
    ClassMatches,
    ScoreCalibration,
    fit,
    lrp,
    match_classes,
    optimal_threshold,
    score_bins,
)
from sepc.calibration.calibrators import Linear

from ..tools import load_tool

DATA = Path(__file__).resolve().parents[1] / "golden_neighbours" / "data"
tool = load_tool("calibrate_scores")


def load(name):
    return json.loads((DATA / name).read_text())


def test_a_match_needs_an_overlap():
    content = {
        "images": [{"id": 1}],
        "categories": [{"id": 5}],
        "annotations": [{"id": 0, "image_id": 1, "category_id": 5, "bbox": [0, 0, 4, 4]}],
    }
    far = {"image_id": 1, "category_id": 5, "bbox": [50, 50, 4, 4], "score": 0.9}
    half = {**far, "bbox": [0, 0, 4, 8], "score": 0.3}
    found = match_classes(content, [half, far])[5]
    assert found.scores.tolist() == [0.9, 0.3]
    assert found.ious.tolist() == [0.0, 0.5]
    assert match_classes(content, [half, far], iou=0.0)[5].hits.tolist() == [True, False]


def test_results_of_other_data_are_told():
    other = [{"image_id": 10**9, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]
    with pytest.raises(ValueError, match="are they of another data set"):
        match_classes(load("cal_gt.json"), other)


def test_threshold_is_the_best_of_all_scores():
    random = np.random.default_rng(1)
    for _ in range(20):
        scores = np.sort(random.integers(0, 12, 30) / 12)[::-1]  # many are equal
        hits = random.random(30) < scores
        each = ClassMatches(scores, np.where(hits, random.random(30), 0), hits, 30)
        best = min(lrp(each.above(t), iou=0.0).error for t in set(scores))
        found = optimal_threshold(each, iou=0.0)
        assert lrp(each.above(found), iou=0.0).error == pytest.approx(best, abs=1e-12)


def test_bins_take_their_upper_edge():
    bins = score_bins(np.array([0.0, 0.5, 0.500001, 1.0]), np.zeros(4), 2)
    assert bins.share.tolist() == [0.5, 0.5]
    assert bins.error == pytest.approx(0.5 * 0.25 + 0.5 * 0.7500005)


def test_thresholds_and_scores_are_those_of_the_class():
    calibration = ScoreCalibration("linear", {7: ClassCalibration(0.4, Linear(0.5, 0.1), 0.35)})
    scores, kept = calibration(np.array([0.3, 0.45, 0.8, 0.01]), [7, 7, 7, 9])
    assert scores == pytest.approx([0.25, 0.325, 0.5, 0.01])
    assert kept.tolist() == [False, False, True, True]  # class 9 is not in it
    results = [{"category_id": 7, "score": s, "x": s} for s in (0.3, 0.8)]
    assert calibration.apply(results) == [{"category_id": 7, "score": 0.5, "x": 0.8}]
    assert len(calibration.apply(results, thresholds=False)) == 2


def test_a_file_gives_the_same_scores(tmp_path):
    content, results = load("caledge_gt.json"), load("caledge_detections.json")
    calibration = fit(content, results, "isotonic")
    calibration.save(tmp_path / "c.json")
    assert ScoreCalibration.load(tmp_path / "c.json").apply(results) == calibration.apply(results)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}'])
def test_another_file_is_told(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ValueError, match=r"expected a file of tools/calibrate_scores\.py"):
        ScoreCalibration.load(tmp_path / "c.json")


def test_no_detections_at_all():
    content = load("cal_gt.json")
    assert fit(content, [], "platt").apply([]) == []


FILES = ["--annotations", str(DATA / "cal_gt.json"), "--results", str(DATA / "cal_detections.json")]


def test_tool(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert tool.main([*FILES, "--output", str(tmp_path / "out"), "--calibrator", "platt"]) == 0
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "|" in line]
    errors = {line[0].strip("| "): line[1] for line in lines[2:]}
    assert list(errors) == [
        "as they are",
        "above thresholds",
        "isotonic",
        "linear",
        "platt",
        "temperature",
    ]
    assert float(errors["platt"]) < float(errors["above thresholds"])
    assert ScoreCalibration.load(tmp_path / "out" / "calibration.json").kind == "platt"
    assert (tmp_path / "out" / "reliability.png").stat().st_size > 5000
    assert (tmp_path / "out" / "errors.md").is_file()


def test_tool_tests_on_other_images(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    command = [*FILES, "--output", str(tmp_path), "--test", *FILES[1::2]]
    assert tool.main(command) == 0
    assert "60 images" in capsys.readouterr().out


def test_tool_tells_what_it_lacks(tmp_path, capsys):
    command = ["--output", str(tmp_path), "--annotations", str(tmp_path / "none"), *FILES[2:]]
    assert tool.main(command) == 2
    assert "none does not exist" in capsys.readouterr().err
    command = ["--output", str(tmp_path), *FILES[:2], "--results", FILES[1]]
    assert tool.main(command) == 2
    assert "expected a list in COCO's results format" in capsys.readouterr().err
