"""Rows of a metrics.json, whole and damaged."""

import pytest

from sepc.metrics import append_rows, read_rows
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
