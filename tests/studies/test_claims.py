"""Program that writes what docs/claims.md has measured."""

import shutil

import cv2
import pytest

from dev.sections import read_section
from studies import claims
from studies.program import REPOSITORY

pytest.importorskip("matplotlib")


@pytest.fixture
def docs(tmp_path):
    shutil.copy(REPOSITORY / "docs" / "claims.md", tmp_path)
    return tmp_path


def test_exact_pyramids(docs):
    before = read_section(docs / "claims.md", "trained")
    assert claims.main(["--docs", str(docs)]) == 0
    table = read_section(docs / "claims.md", "exact").splitlines()
    assert "| plain tower, iBN | 0 | 0 | 0 | 0 | 0 | 0 |" in table
    (one,) = (line.split(" | ") for line in table if line.startswith("| 1 pyramid convolution |"))
    assert one[2:6] == ["0"] * 4 and one[1] != "0"
    assert read_section(docs / "claims.md", "trained") == before
    assert cv2.imread(str(docs / "claims" / "exact.png")).std() > 5


def test_table_and_picture_of_runs(docs, tmp_path, monkeypatch):
    plain = {"before": [0.25, 0.5], "1": [0.5, 0.5], "classification": [0.75, 0.5]}
    deep = {"before": [0.25, 0.25], "1": [0.5, 0.5], "2": [0.5, 1.0], "classification": [1.0, 1.0]}
    found = {"plain": plain, "deep": deep}
    monkeypatch.setattr(
        claims,
        "measure_run",
        lambda run, images: (
            {run.name: found[run.name] | {"another image": [0.125]}},
            {"deep, stage 1": {1: 0.5, 2: 0.25}} if run.name == "deep" else {},
        ),
    )
    for number in range(3):
        (tmp_path / f"{number}.jpg").touch()
    monkeypatch.setattr(claims, "exact", lambda docs: None)
    options = ["--images", str(tmp_path), "--docs", str(docs)]
    assert claims.main(["--runs", "a/plain", "a/deep", *options]) == 0
    text = read_section(docs / "claims.md", "trained")
    assert "| run | before | 1 | 2 | classification |" in text
    assert "| plain | 0.38 | 0.50 |  | 0.62 |" in text
    assert "| deep | 0.25 | 0.50 | 0.75 | 1.00 |" in text
    assert "3 images" in text and "against another image: 0.12" in text
    assert "| run, layer | level 1 | level 2 |" in text
    assert "| deep, stage 1 | 0.50 | 0.25 |" in text
    assert cv2.imread(str(docs / "claims" / "trained.png")).std() > 5


def test_wrong_arguments(docs, capsys, monkeypatch):
    with pytest.raises(SystemExit, match="2"):
        claims.main(["--runs", "a"])
    assert "expected --images FOLDER too" in capsys.readouterr().err
    (docs / "claims.md").rename(docs / "moved.md")
    assert claims.main(["--docs", str(docs)]) == 2
    assert "claims.md" in capsys.readouterr().err
    monkeypatch.setattr(claims, "exact", lambda docs: None)
    options = ["--images", str(docs), "--docs", str(docs)]
    assert claims.main(["--runs", "a/b", "c/b", *options]) == 2
    assert "expected folders of different names, got ['b', 'b']" in capsys.readouterr().err
    assert claims.main(["--runs", "a/b", *options]) == 2
    assert "expected two or more *.jpg, got 0" in capsys.readouterr().err
