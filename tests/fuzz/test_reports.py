"""Files in the output folder of a training: reports, plots and pictures of them."""

import json
import random
from pathlib import Path

import pytest

from ..tools import load_tool
from .mutations import STRANGE, damaged_bytes, damaged_json_text
from .outcome import check
from .scene import ANNOTATIONS, METRICS, RESULTS, write_run

pytest.importorskip("matplotlib")

from sepc.report import Run, write_report
from sepc.visualize import read_metrics

JSON = {
    "data/annotations/instances_val2017.json": ANNOTATIONS,
    "inference/coco_instances_results.json": RESULTS,
    "quickstart.json": {"data": "data", "variant": "sepc", "iterations": 20},
    "finished.json": {"AP": 20.0, "AP50": 40.0, "AP small (under 32 px)": -1.0},
}


def damaged_metrics(rng: random.Random) -> bytes:
    """Lines of a metrics.json, some damaged, and sometimes all of them."""
    lines = [json.dumps(line).encode() for line in METRICS]
    for _ in range(rng.randint(1, 3)):
        line = damaged_json_text(rng.choice(METRICS), rng)
        lines.insert(rng.randrange(3), line[:2000])
    lines.append(json.dumps({"iteration": rng.choice(STRANGE), "total_loss": 1}).encode())
    return rng.choice((b"\n".join(lines), b"\n".join(lines[-1:]), damaged_bytes(lines[0], rng)))


def test_metrics(tmp_path):
    path = tmp_path / "metrics.json"

    def read(content: bytes):
        path.write_bytes(content)
        read_metrics(path)

    check(read, damaged_metrics)


def test_reports(tmp_path, monkeypatch):
    """Of a folder with one damaged file; what is not needed is left out, so that most are made."""
    monkeypatch.setattr("sepc.report.charts._svg", lambda *drawn, **words: "")  # takes seconds
    run = tmp_path / "run"
    write_run(run)
    write_report(Run(run))

    def make(rng: random.Random) -> tuple[str, bytes]:
        name = rng.choice([*JSON, "metrics.json", "config.yaml", "log.txt"])
        if name == "metrics.json":
            return name, damaged_metrics(rng)
        if name in JSON:
            return name, damaged_json_text(JSON[name], rng)
        return name, damaged_bytes((run / name).read_bytes(), rng)

    def read(given: tuple[str, bytes]):
        name, content = given
        path = run / name
        before = path.read_bytes()
        path.write_bytes(content)
        try:
            write_report(Run(run))
        finally:
            path.write_bytes(before)

    check(read, make)


def test_mistakes(tmp_path, capsys):
    """tools/plot_training.py on damaged annotations and results."""
    tool = load_tool("plot_training")
    run = tmp_path / "run"
    write_run(run)
    arguments = [str(run), "--mistakes", str(tmp_path / "m.png")]
    assert tool.main(arguments) == 0

    def read(given: tuple[Path, bytes]):
        path, content = given
        before = path.read_bytes()
        path.write_bytes(content)
        try:
            status = tool.main(arguments)
        finally:
            path.write_bytes(before)
        if status:
            raise ValueError(status)

    def make(rng: random.Random) -> tuple[Path, bytes]:
        name, content = rng.choice(list(JSON.items())[:2])
        return run / name, damaged_json_text(content, rng)

    check(read, make)
    assert "Traceback" not in capsys.readouterr().err
