"""Tests of the runner with a train_net.py that takes no time."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from studies import Record, Run, RunsFailed, train_all
from studies.runner import _iterations_done

TRAIN_NET = """
import json, os, pathlib, sys, time
arguments = dict(a.split("=") for a in sys.argv[1:] if "=" in a)
folder = pathlib.Path(arguments["train.output_dir"])
seen = json.dumps([sys.argv[1:], dict(os.environ), os.getpid()])
(folder / "seen.json").write_text(seen)
if "wait" in arguments:
    time.sleep(60)
if "fail" in arguments:
    (folder / "metrics.json").write_text('{"iteration": 3, "bbox/A')
    sys.exit("no such thing")
ap = float(arguments.get("ap", 50)) + int(arguments["train.seed"])
names = ("AP50", "AP75", "APs", "APm", "APl")
lines = [{"iteration": 3, "bbox/AP": 1.0}, {"iteration": 9, "bbox/AP": ap}, {"iteration": 10}]
lines = [{**{f"bbox/{n}": float("nan") for n in names if "bbox/AP" in x}, **x} for x in lines]
(folder / "metrics.json").write_text("\\n".join(map(json.dumps, lines)))
"""


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train_net.py").write_text(TRAIN_NET)
    return folder


@pytest.fixture
def train(repository, tmp_path):
    folders = dict(repository=repository, data=tmp_path / "data", output=tmp_path / "out")
    return partial(train_all, **folders, workers=2, poll_seconds=0.05)


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "runs.json", {})


def run(head, seed=1, *overrides):
    return Run({"head": head}, "configs/a.py", seed, overrides)


def test_each_run_is_trained_and_recorded(train, record, repository, tmp_path):
    train([run("a", seed, "ap=20", "x={output}/y") for seed in (1, 2, 3)], record, threads=3)
    assert sorted(m["AP"] for m in record.metrics({"head": "a"})) == [21, 22, 23]
    assert record.metrics({"head": "a"})[0]["APs"] == 0.0  # where nothing was found
    arguments, environment, _ = json.loads((tmp_path / "out" / "a-seed2" / "seen.json").read_text())
    assert arguments[:5] == [
        *("--config-file", str(repository / "configs/a.py"), "--num-gpus", "1", "--resume")
    ]
    assert {"train.seed=2", f"x={tmp_path / 'out' / 'y'}"} <= set(arguments)
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["DETECTRON2_DATASETS"] == str(tmp_path / "data")


def test_what_is_recorded_is_not_trained_again(train, record, tmp_path, capsys):
    train([run("a")], record)
    (tmp_path / "out" / "a-seed1" / "seen.json").unlink()
    train([run("a"), run("b")], record)
    assert not (tmp_path / "out" / "a-seed1" / "seen.json").exists()
    assert "1 of 2 runs were finished before" in capsys.readouterr().out


def test_a_failure_is_told_with_its_reason_and_the_others_are_done(train, record, tmp_path, capsys):
    with pytest.raises(RunsFailed, match=r"1 of 3 runs .*bad-seed1.output.txt"):
        train([run("bad", 1, "fail=1"), run("a"), run("b")], record)
    assert record.metrics({"head": "b"})
    assert not record.metrics({"head": "bad"})
    log = tmp_path / "out" / "bad-seed1" / "output.txt"
    assert "no such thing" in log.read_text()
    assert f"bad-seed1 failed: no such thing (all of it: {log})" in capsys.readouterr().out


def test_progress_is_that_of_the_last_whole_line(tmp_path):
    assert _iterations_done(tmp_path) == 0
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"iteration": 19, "loss": 1}\n{"iteration": 39, "loss": 1}\n{"iterat')
    assert _iterations_done(tmp_path) == 40


def test_two_runs_of_one_name_are_an_error(train, record):
    with pytest.raises(ValueError, match="different names"):
        train([run("a"), run("a")], record)


def test_a_stop_ends_the_runs_under_way(repository, tmp_path):
    """No training is left behind. (Ctrl-C does the same, but not behind nohup.)"""
    code = f"""
import pathlib, sys
from studies import Record, Run, exit_status, train_all
folder = pathlib.Path({str(tmp_path)!r})
runs = [Run({{"head": "a"}}, "a.py", 1, ("wait=1",))]
record = Record(folder / "runs.json", {{}})
folders = dict(repository=folder / "repository", data=folder, output=folder / "out")
sys.exit(exit_status(lambda: train_all(runs, record, **folders, workers=1, poll_seconds=0.05)))
"""
    path = str(Path(__file__).parents[2] / "projects" / "SEPC")
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=-3)
    seen = tmp_path / "out" / "a-seed1" / "seen.json"
    deadline = time.monotonic() + 60
    while not (seen.exists() and seen.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    *_, training = json.loads(seen.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(training, 0)
