import pytest

from studies import Record, Run
from studies.record import METRICS
from studies.summary import collect, format_grid, format_table, mean_and_spread


@pytest.fixture
def record(tmp_path):
    record = Record(tmp_path / "runs.json", {})
    for seed, ap in ((1, 40.0), (2, 42.0), (3, 44.0)):
        record.add(Run({"head": "sepc"}, "a.py", seed), dict.fromkeys(METRICS, ap))
    record.add(Run({"head": "plain"}, "a.py", 1), dict.fromkeys(METRICS, 10.0))
    return record


def test_mean_and_standard_deviation_of_a_sample():
    assert mean_and_spread([40.0, 42.0, 44.0]) == "42.0 ± 2.0"
    assert mean_and_spread([1.23]) == "1.2"


def test_table_has_a_row_for_what_is_finished(record):
    labels = {name: {"head": name} for name in ("plain", "sepc", "missing")}
    rows = collect(record, labels, {"sepc": "0.5 s"})
    table = format_table(rows, head="head", metrics=("AP", "APs"), note_head="time")
    assert table.splitlines() == [
        "| head | AP | APs | seeds | time |",
        "| --- | --- | --- | --- | --- |",
        "| plain | 10.0 | 10.0 | 1 |  |",
        "| sepc | 42.0 ± 2.0 | 42.0 ± 2.0 | 3 | 0.5 s |",
    ]


def test_plot_shows_every_group(record, tmp_path):
    pytest.importorskip("matplotlib")
    cv2 = pytest.importorskip("cv2")
    from studies.plot import plot_rows

    rows = collect(record, {"sepc": {"head": "sepc"}, "plain": {"head": "plain"}})
    plot_rows({"one": rows}, tmp_path / "1.png", metrics=("AP", "APs"), title="on what")
    plot_rows({"one": rows, "two": rows}, tmp_path / "2.png", metrics=("AP",), title="on what")
    one, two = (cv2.imread(str(tmp_path / f"{n}.png")) for n in (1, 2))
    assert two.shape[0] > one.shape[0] and one.shape[1] > two.shape[1]
    assert one.std() > 5


def test_name_keeps_its_color_where_others_are_missing(record, tmp_path):
    pytest.importorskip("matplotlib")
    cv2 = pytest.importorskip("cv2")
    from matplotlib.colors import to_rgb

    from studies.plot import plot_rows

    rows = collect(record, {"sepc": {"head": "sepc"}, "plain": {"head": "plain"}})
    groups = {"both": rows, "plain alone": rows[1:]}
    plot_rows(groups, tmp_path / "plot.png", metrics=("AP",), title="on what")
    picture = cv2.imread(str(tmp_path / "plot.png"))

    def lines_with(color):
        pixel = [round(255 * x) for x in reversed(to_rgb(color))]
        return (picture == pixel).all(axis=-1).any(axis=1).nonzero()[0]

    first, second = lines_with("C0"), lines_with("C1")
    assert len(first) and len(second) and not len(lines_with("C2"))
    # The gap between the panels: "plain" goes on in its color below it, "sepc" does not.
    assert (second[1:] - second[:-1]).max() > 20
    assert first.max() < second.min()


def test_grid_has_a_cell_for_every_pair(record):
    grid = format_grid(
        record,
        ["sepc", "plain"],
        ["head", "norm"],
        head="AP",
        labels_of=lambda row, column: {column: row},
        missing=lambda row, column: f"no {column} {row}",
    )
    assert grid.splitlines() == [
        "| AP | head | norm |",
        "| --- | --- | --- |",
        "| sepc | 42.0 ± 2.0 | no norm sepc |",
        "| plain | 10.0 | no norm plain |",
    ]
