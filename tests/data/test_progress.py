import sys

import pytest

from sepc.data.progress import progress


def lines(total, count, capsys):
    assert list(progress(range(count), total=total, description="train images")) == [*range(count)]
    return capsys.readouterr().err.splitlines()


def test_ten_lines_where_no_terminal_shows_a_bar(capsys):
    told = lines(4500, 4500, capsys)
    assert told[0] == "train images: 450 of 4500" and told[-1] == "train images: 4500 of 4500"
    assert len(told) == 10


@pytest.mark.parametrize(
    ("total", "count", "last"), [(25, 25, "25 of 25"), (3, 3, "3 of 3"), (None, 250, "200")]
)
def test_the_end_is_told_where_it_is_known(capsys, total, count, last):
    told = lines(total, count, capsys)
    assert told[-1] == f"train images: {last}" and len(told) <= 13


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "100%" in lines(25, 25, capsys)[-1]


def test_a_terminal_without_tqdm(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert lines(25, 25, capsys)[0] == "train images: 2 of 25"
