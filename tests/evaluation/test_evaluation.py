import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sepc.evaluation import MatchedImage, limit_per_class, pooled_ap

from ..tools import load_tool

DATA = Path(__file__).resolve().parents[1] / "golden_neighbours" / "data"
tool = load_tool("evaluate_lvis")


def matched(image, category, scores, hits, num_truths, ignored=None):
    ignored = ignored or [False] * len(scores)
    arrays = np.array(scores, float), np.array([hits], bool), np.array([ignored], bool)
    return MatchedImage(image, category, *arrays, num_truths)


def test_scores_of_two_classes_are_ranked_together():
    """A class whose scores are all lower comes last, however right it is."""
    good = matched(1, 1, [0.9, 0.8], [True, False], 1)
    low = matched(1, 2, [0.2], [True], 1)
    steps = [1.0] * 51 + [2 / 3] * 50  # precision at recalls up to 1/2, and beyond
    assert pooled_ap([good, low])[0] == pytest.approx(np.mean(steps))


def test_a_class_without_objects_gives_false_positives_and_ignored_ones_none():
    right = matched(1, 1, [0.5], [True], 1)
    assert pooled_ap([right, matched(2, 9, [0.9], [False], 0)])[0] == pytest.approx(0.5)
    assert pooled_ap([right, matched(2, 9, [0.9], [False], 0, [True])])[0] == pytest.approx(1)


def test_equal_scores_keep_the_order_of_images_then_classes():
    cells = [matched(2, 1, [0.5], [True], 1), matched(1, 2, [0.5], [False], 0)]
    assert pooled_ap(cells)[0] == pytest.approx(0.5)
    cells = [matched(1, 2, [0.5], [False], 0), matched(1, 1, [0.5], [True], 1)]
    assert pooled_ap(cells)[0] == pytest.approx(1)


def test_without_objects_there_is_nothing_to_measure():
    assert np.isnan(pooled_ap([])).all()
    assert np.isnan(pooled_ap([matched(1, 1, [0.5], [False], 0)])).all()
    assert pooled_ap([matched(1, 1, [], [], 2)]) == [0]


def test_limit_is_per_class_over_all_images():
    pairs = [(1, 0.3), (1, 0.5), (2, 0.1), (1, 0.5), (1, 0.5)]
    results = [{"category_id": c, "score": s, "place": i} for i, (c, s) in enumerate(pairs)]
    assert [r["place"] for r in limit_per_class(results, 2)] == [1, 2, 3]
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        limit_per_class(results, 0)


FILES = [
    *("--annotations", str(DATA / "ap_lvis_federated_gt.json")),
    *("--results", str(DATA / "ap_detections.json")),
]


def test_tool(capsys):
    pytest.importorskip("lvis")
    assert tool.main([*FILES, "--per-class", "25"]) == 0
    out = capsys.readouterr().out
    assert "AP 40.10" in out and "APpool 36.04" in out and "APpoolr 50.41" in out


def test_tool_tells_what_it_lacks(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "lvis", None)
    assert tool.main(FILES) == 2
    assert "expected the package lvis: pip install lvis" in capsys.readouterr().err


def test_other_annotations_are_told(tmp_path, capsys):
    pytest.importorskip("lvis")
    coco = ["--annotations", str(DATA / "ap_gt.json"), *FILES[2:]]
    assert tool.main(coco) == 2
    assert "expected LVIS's annotations" in capsys.readouterr().err
    (tmp_path / "none.json").write_text(json.dumps([]))
    assert tool.main([*FILES[:3], str(tmp_path / "none.json")]) == 2
    assert "expected detections to evaluate, got none" in capsys.readouterr().err
