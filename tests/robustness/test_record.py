import json
import math

import pytest

from sepc.robustness.record import CLEAN, RobustnessRecord, measure
from sepc.robustness.report import plot_robustness, robustness_table

SETTING = {"weights": "abc", "data": ["some"]}


def metrics_of(name, severity):
    if name == CLEAN:
        return {"AP": 40.0, "APs": math.nan}
    if name == "fog" and severity == 5:
        return {"AP": math.nan, "APs": math.nan}  # nothing is found
    return {"AP": 40.0 - 5 * severity, "APs": math.nan}


def run(path, evaluate, said=None):
    record = RobustnessRecord(path, SETTING)
    say = said.append if said is not None else print
    measure(evaluate, record, ["fog", "snow"], [1, 5], say=say)
    return record


def test_a_stopped_measurement_goes_on(tmp_path):
    path, calls, said = tmp_path / "r.json", [], []

    def stopping(name, severity):
        calls.append((name, severity))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return metrics_of(name, severity)

    with pytest.raises(KeyboardInterrupt):
        run(path, stopping)
    calls.clear()
    record = run(path, lambda *cell: calls.append(cell) or metrics_of(*cell), said)
    assert calls == [("fog", 5), ("snow", 1), ("snow", 5)]
    assert said[0] == "2 of 5 evaluations were finished before"
    assert said[-1].startswith("[5/5] snow 5: AP 15.0; about 0 min left")
    assert record.summary("AP") == pytest.approx((40, (35 + 0 + 35 + 15) / 4, 85 / 160))
    assert all(math.isnan(value) for value in record.summary("APs"))
    assert json.loads(path.read_text())["results"]["clean"]["0"] == {"AP": 40.0, "APs": None}


def test_another_setting_or_another_file_is_told(tmp_path):
    path = tmp_path / "r.json"
    run(path, metrics_of)
    with pytest.raises(ValueError, match="choose another --output"):
        RobustnessRecord(path, {**SETTING, "weights": "other"})
    path.write_text("[]")
    with pytest.raises(ValueError, match="expected a record of robustness"):
        RobustnessRecord(path, SETTING)


def test_table_and_picture(tmp_path):
    record = run(tmp_path / "r.json", metrics_of)
    table = robustness_table(record)
    assert "| AP | 40.0 | 21.2 | 53.1 |" in table
    assert "| APs | - | - | - |" in table
    assert "| fog | 35.0 | 0.0 |" in table
    assert "Not evaluated: gaussian_noise" in table
    pytest.importorskip("matplotlib")
    plot_robustness(record, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
