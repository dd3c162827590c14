import json
from pathlib import Path

import pytest

from studies import Record, Run, ablation, bccd, generalization, neighbors

DOCS = Path(__file__).resolve().parents[2] / "docs"

SETTING = {"iterations": 10}
METRICS = dict(AP=12.3456, AP50=30.0, AP75=10.0, APs=1.0, APm=2.0, APl=3.0)


def run(seed=1, **changes):
    arguments = dict(labels={"detector": "fcos", "head": "sepc"}, config="a.py", seed=seed)
    return Run(**{**arguments, **changes})


def test_what_is_added_is_there_for_the_next_one(tmp_path):
    path = tmp_path / "new" / "runs.json"
    record = Record(path, SETTING)
    assert run() not in record
    record.add(run(overrides=("x=1",)), METRICS)
    record.add(run(seed=2), {**METRICS, "AP": 14.0})
    again = Record(path, SETTING)
    assert run(overrides=("x=1",)) in again
    assert run(seed=3) not in again
    assert [m["AP"] for m in again.metrics({"detector": "fcos", "head": "sepc"})] == [12.346, 14.0]
    assert again.metrics({"detector": "fcos"}) == []
    assert list(path.parent.iterdir()) == [path]


def test_another_run_under_the_name_is_an_error(tmp_path):
    record = Record(tmp_path / "runs.json", SETTING)
    record.add(run(), METRICS)
    with pytest.raises(ValueError, match=r"fcos-sepc-seed1 was .*'a.py'.* now it is .*'b.py'"):
        assert run(config="b.py") in record


def test_another_setting_is_an_error(tmp_path):
    path = tmp_path / "runs.json"
    Record(path, SETTING).add(run(), METRICS)
    with pytest.raises(ValueError, match=r"expected runs of the setting .*20.* has .*10"):
        Record(path, {"iterations": 20})


@pytest.mark.parametrize("content", ["", "[]", '{"runs": {}}'])
def test_a_file_that_is_no_record_is_an_error(tmp_path, content):
    path = tmp_path / "runs.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="expected the record of a study"):
        Record(path, SETTING)


def test_an_incomplete_evaluation_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "runs.json"
    record = Record(path, SETTING)
    record.add(run(), METRICS)
    with pytest.raises(KeyError):
        record.add(run(seed=2), {"AP": 1.0})
    assert list(json.loads(path.read_text())["runs"]) == ["fcos-sepc-seed1"]


@pytest.mark.parametrize(
    ("study", "name", "arguments"),
    [
        (ablation, "runs", ["--heads", *ablation.ALL_HEADS]),
        (ablation, "shorter/runs", ["--heads", *ablation.ALL_HEADS, "--iterations", "1200"]),
        (neighbors, "neighbors", ["--methods", *neighbors.NEIGHBORS, *ablation.ALL_HEADS]),
        (bccd, "bccd", []),
        (bccd, "longer/bccd", ["--iterations", "1600"]),
        (generalization, "generalization", []),
    ],
)
def test_a_study_goes_on_from_the_record_of_this_repository(study, name, arguments):
    """What is recorded is not trained again, and every run of the record can be made again."""
    path = DOCS / "evidence" / f"{name}.json"
    content = json.loads(path.read_text())
    record = Record(path, content["setting"])
    runs = study.runs(study.parse_args(arguments))
    assert any(run in record for run in runs)  # an error where a run is not what it was
    assert content["runs"].keys() <= {run.name for run in runs}


def test_offsets_are_measured_on_runs_of_the_record():
    runs = json.loads((DOCS / "evidence" / "runs.json").read_text())["runs"]
    for name, found in json.loads((DOCS / "evidence" / "offsets.json").read_text()).items():
        learned = {metric: runs[name]["metrics"][metric] for metric in found["as learned"]}
        assert found["as learned"] == pytest.approx(learned, abs=0.1), name
