"""Differences that are paired by seed, and their tables and plots."""

import math

import pytest

from studies import Record, Run
from studies.differences import (
    Difference,
    difference,
    differences_table,
    groups_table,
    report_differences,
)
from studies.program import make_page
from studies.record import METRICS


def labels(head, detector="fcos"):
    return {"detector": detector, "head": head}


def add(record, head, seed, ap, **groups):
    run = Run(labels(head), "a.py", seed)
    record.add(run, dict.fromkeys(METRICS, ap))
    if groups:
        found = {name: {"AP": value, "objects": 7} for name, value in groups.items()}
        record.add_breakdown(run, {"levels": found, "octaves": {}})


@pytest.fixture
def record(tmp_path):
    record = Record(tmp_path / "runs.json", {})
    # the seeds differ by far more than the heads
    for seed, level in ((1, 40.0), (2, 50.0), (3, 60.0)):
        add(record, "plain_gn", seed, level, P2=level, P3=level)
        add(record, "pconv_ibn", seed, level + seed / 10, P2=level, P3=level + 1)
    add(record, "sepc_lite", 2, 51.2)
    return record


def test_pairing_takes_the_spread_of_the_seeds_away():
    found = difference({1: 40.1, 2: 50.2, 3: 60.3}, {3: 60.0, 1: 40.0, 2: 50.0, 4: 9.0})
    assert found.values == pytest.approx([0.1, 0.2, 0.3])
    assert found.mean == pytest.approx(0.2)
    assert found.error == pytest.approx(0.1 / math.sqrt(3))
    assert difference({1: 40.0}, {2: 40.0}) is None


def test_bold_from_two_standard_errors_on():
    assert str(Difference([1.0, 1.2, 1.4])) == "**+1.2 ± 0.1**"
    assert str(Difference([-1.0, 1.2, 0.4])) == "+0.2 ± 0.6"
    assert str(Difference([-1.24])) == "-1.2"


def test_table_of_differences(record):
    for head, ap in (("plain_gn", 30.0), ("pconv_ibn", 30.6)):
        record.add(Run(labels(head, "atss"), "a.py", 1), dict.fromkeys(METRICS, ap))

    assert differences_table(record, ["fcos", "atss"], labels).splitlines() == [
        "| AP | fcos | atss | all pairs |",
        "| --- | --- | --- | --- |",
        "| pconv_ibn - plain_gn | **+0.2 ± 0.1** | +0.6 | **+0.3 ± 0.1** |",
        "| sepc_lite - pconv_ibn | +1.0 | - | +1.0 |",
    ]
    assert differences_table(record, ["fcos"], labels).splitlines()[0] == "| AP | fcos |"


def test_table_of_groups(record):
    heads = {head: labels(head) for head in ("plain_gn", "pconv_ibn", "sepc_lite")}
    assert groups_table(record, heads, "levels", name="fcos").splitlines() == [
        "| fcos | P2 (7) | P3 (7) |",
        "| --- | --- | --- |",
        "| plain_gn | 50.0 ± 10.0 | 50.0 ± 10.0 |",
        "| pconv_ibn | 50.0 ± 10.0 | 51.0 ± 10.0 |",
        "| pconv_ibn - plain_gn | **+0.0 ± 0.0** | **+1.0 ± 0.0** |",
    ]
    assert groups_table(record, heads, "octaves", name="fcos") == ""


def test_report(record, tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "README.md"
    make_page(page, "Evidence", ("differences", "octaves", "levels"))
    arguments = dict(columns=["fcos"], heads=("plain_gn", "pconv_ibn"), labels_of=labels)
    report_differences(record, page, **arguments)
    text = page.read_text()
    assert "| pconv_ibn - plain_gn | **+0.2 ± 0.1** |" in text and "P3 (7)" in text
    assert text.count("Nothing is finished yet.") == 1  # by octaves
    assert (tmp_path / "levels.png").stat().st_size > 1000
