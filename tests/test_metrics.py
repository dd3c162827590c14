"""Rows of a metrics.json, whole and damaged."""

import pytest

from sepc.metrics import append_rows, read_rows, rewind_metrics
from sepc.visualize.curves import read_metrics

DAMAGED = [
    b'{"iteration": 7, "lo',
    b"[1]",
    b"3",
    b'{"loss": 1}',
    b'{"iteration": "x"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("line", DAMAGED)
def test_damaged_lines_cost_no_others(tmp_path, line):
    path = tmp_path / "metrics.json"
    append_rows(path, [{"iteration": 1, "loss": 2.0}])
    with path.open("ab") as file:
        file.write(line + b"\n")
    append_rows(path, [{"loss": 1.5, "iteration": 3}])
    assert [row["iteration"] for row in read_rows(path)] == [1, 3]
    assert read_metrics(path) == {"loss": ([1, 3], [2.0, 1.5])}


def test_error_names_the_file(tmp_path):
    with pytest.raises(IsADirectoryError) as error:
        append_rows(tmp_path, [])
    assert error.value.filename == str(tmp_path)


def test_rewind_metrics(tmp_path):
    path = tmp_path / "metrics.json"
    lines = [f'{{"iteration": {i}, "loss": 1.0}}\n' for i in (1, 3, 5)]
    path.write_text("".join(lines) + '{"iteration": 7, "lo')
    rewind_metrics(path, 4)
    assert path.read_text() == "".join(lines[:2])
    rewind_metrics(path, 0)
    assert not path.exists()
    assert (tmp_path / "metrics.json.old").read_text() == "".join(lines[:2])
    rewind_metrics(path, 0)  # nothing there is fine


def test_rewind_keeps_the_last_evaluation_of_a_training_that_goes_on(tmp_path):
    path = tmp_path / "metrics.json"
    rows = ['{"iteration": 3, "total_loss": 1.0}\n', '{"iteration": 4, "bbox/AP": 1.0}\n']
    path.write_text("".join(rows) + '{"iteration": 4, "total_loss": 1.0}\n[1]\n')
    rewind_metrics(path, 4, ended=True)
    assert path.read_text() == "".join(rows)
    rewind_metrics(path, 4)
    assert path.read_text() == rows[0]
