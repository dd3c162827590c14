"""Tests of the table of docs/MODEL_ZOO.md against the configs."""

import json
import re

import pytest

from dev import model_table as tool
from dev.sections import read_section

from .helpers import CONFIGS, ROOT

BEGIN, END = f"<!-- {tool.SECTION} -->", f"<!-- /{tool.SECTION} -->"
DETECTION = CONFIGS / "COCO-Detection"
PATHS = [
    DETECTION / "retinanet_R_50_FPN_sepc_1x.py",
    DETECTION / "faster_rcnn_R_50_FPN_pconv_1x.py",
]


@pytest.fixture(scope="module")
def rows():
    return tool.table(PATHS)


@pytest.fixture
def readme(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(tool, "all_configs", lambda: PATHS)
    monkeypatch.setattr(tool, "table", lambda paths: rows)
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    return path


def test_rows(rows):
    head, _, retinanet, *folded = rows.splitlines()
    assert head == "| config | parameters (M) | GFLOPs, 768 x 1280 | published AP | our AP |"
    assert retinanet == (
        "| [retinanet_R_50_FPN_sepc_1x](../configs/COCO-Detection/retinanet_R_50_FPN_sepc_1x.py) "
        "| 42.09 | 232.2 | 39.6 ([SEPC](https://github.com/jshilong/SEPC)) | not trained |"
    )
    assert folded[1:3] == [
        "<details>",
        "<summary>1 more, of which nobody has told an AP</summary>",
    ]
    assert folded[4] == head and folded[-1] == "</details>"
    assert folded[6].endswith("|  | not trained |")


def test_written_table_passes_the_check(readme, rows):
    tool.main(["--readme", str(readme)])
    text = readme.read_text(encoding="utf-8")
    assert text == f"before\n{BEGIN}\n{rows}\n{END}\nafter\n"
    assert list(readme.parent.iterdir()) == [readme]
    assert tool.main(["--readme", str(readme), "--check"]) == 0


def test_check_of_single_configs_leaves_the_other_rows_alone(readme):
    tool.main(["--readme", str(readme)])
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text.replace("[faster_rcnn", "[other"), encoding="utf-8")
    assert tool.main(["--readme", str(readme), "--check", str(PATHS[0])]) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("| 42.09 |", "| 42.10 |", "sepc_1x: 42.09 M parameters, the table has 42.10"),
        ("[retinanet_R_50_FPN_sepc_1x]", "[other]", "sepc_1x: no row\nother: no such config"),
    ],
)
def test_table_that_is_out_of_date_fails_the_check(readme, old, new, message, capsys):
    tool.main(["--readme", str(readme)])
    text = readme.read_text(encoding="utf-8")
    assert old in text
    readme.write_text(text.replace(old, new), encoding="utf-8")
    assert tool.main(["--readme", str(readme), "--check"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "error: the table is out of date" in told


def test_markers_are_needed(readme, capsys):
    readme.write_text("no table", encoding="utf-8")
    assert tool.main(["--readme", str(readme)]) == 2
    assert re.match("error: .*expected .* once each", capsys.readouterr().err)
    assert readme.read_text(encoding="utf-8") == "no table"


def test_rows_of_single_configs_are_printed(readme, capsys):
    assert tool.main([str(PATHS[0])]) == 0
    assert "| 42.09 | 232.2 |" in capsys.readouterr().out
    assert "old" in readme.read_text(encoding="utf-8")


def test_published_figures_have_a_source_and_ours_a_config():
    data = json.loads((ROOT / "dev" / "published_ap.json").read_text(encoding="utf-8"))
    assert {source for _, source in data["published"].values()} == set(data["sources"])
    assert set(data["ours"]) <= {path.stem for path in tool.all_configs()}


def test_model_zoo_has_a_row_for_each_config():
    """Compare parameters for some rows, and the names of all."""
    assert not tool.differences(tool.PAGE, PATHS, complete=False)
    written = read_section(tool.PAGE, tool.SECTION)
    assert [path.stem for path in tool.all_configs() if f"[{path.stem}]" not in written] == []
