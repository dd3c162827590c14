"""Runner of a study: several trainings at a time, each by train_net.py in its own process."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dev.setup_env import last_line
from sepc.visualize.curves import read_metrics

from .record import METRICS, Record
from .run import Run


class RunsFailed(RuntimeError):
    """Error after a study: some trainings have failed; the others are done."""


def train_all(
    runs: Sequence[Run],
    record: Record,
    *,
    repository: Path,
    data: Path,
    output: Path,
    workers: int,
    threads: int = 1,
    poll_seconds: float = 5.0,
) -> None:
    """Train and evaluate the runs that the record does not have yet, in their order.

    On two cores two runs with one thread each get through half as much again as one with two.

    Args:
        runs: to train; their weights and logs go to ``output / run.name``.
        record: gains each run as it is finished. A run that was stopped goes on at its checkpoint.
        repository: folder of train_net.py.
        data: folder that holds the data set's own, as in ``DETECTRON2_DATASETS``.
        workers: runs at the same time.
        threads: of each process.

    Raises:
        RunsFailed: after all others are done; names those that failed, and where they tell why.
        KeyboardInterrupt: stopped; the runs under way have saved their checkpoints.
        ValueError: two runs share a name, or the record has another one under it.
    """
    if len({run.name for run in runs}) != len(runs):
        raise ValueError(f"expected runs with different names, got {[run.name for run in runs]}")
    waiting = [run for run in runs if run not in record]
    done = len(runs) - len(waiting)
    progress = _Progress(total=len(runs), done=done)
    active: dict[Run, subprocess.Popen] = {}
    failed: list[Run] = []
    environment = {
        "PYTHONWARNINGS": "ignore",
        **os.environ,
        "DETECTRON2_DATASETS": str(data),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    try:
        while waiting or active:
            while waiting and len(active) < workers:
                run = waiting.pop(0)
                active[run] = _start(run, repository, output / run.name, environment)
            time.sleep(poll_seconds)
            for run in [run for run, process in active.items() if process.poll() is not None]:
                status = active.pop(run).returncode
                # what a killed training has left may end in half a line
                path = output / run.name / "metrics.json"
                metrics = _last_evaluation(path) if status == 0 else {}
                if metrics:
                    record.add(run, metrics)
                    progress.finished(run, metrics)
                else:
                    failed.append(run)
                    log = output / run.name / "output.txt"
                    why = last_line(log.read_text(errors="replace"))
                    print(f"{run.name} failed: {why} (all of it: {log})", flush=True)
            progress.show({run: output / run.name for run in active})
    finally:
        _stop(list(active.values()))
    if failed:
        logs = ", ".join(str(output / run.name / "output.txt") for run in failed)
        raise RunsFailed(f"{len(failed)} of {len(runs)} runs have failed, see {logs}")


def _start(
    run: Run, repository: Path, folder: Path, environment: dict[str, str]
) -> subprocess.Popen:
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        str(repository / "train_net.py"),
        *("--config-file", str(repository / run.config)),
        *("--num-gpus", str(run.processes)),
        "--resume",
        *("--dist-url", "auto"),  # a free port
        *(override.replace("{output}", str(folder.parent)) for override in run.overrides),
        f"train.seed={run.seed}",
        f"train.output_dir={folder}",
        f"+dataloader.evaluator.output_dir={folder / 'inference'}",
    ]
    # a session of its own: a Ctrl-C of the terminal reaches it once, through _stop
    with (folder / "output.txt").open("a") as log:
        return subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def _stop(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def _last_evaluation(path: Path) -> dict[str, float]:
    """Read COCO's metrics of boxes in the last line of metrics.json that has them.

    Detectron2 writes NaN where nothing was found at all, which is an AP of zero.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    for line in reversed(lines):
        values = json.loads(line)
        if "bbox/AP" in values:
            found = {name: values[f"bbox/{name}"] for name in METRICS}
            return {name: 0.0 if math.isnan(value) else value for name, value in found.items()}
    return {}


class _Progress:
    """Progress of a study: a line per finished run, and every few minutes one per run under way."""

    def __init__(self, *, total: int, done: int, seconds_between: float = 300.0) -> None:
        self._total, self._done, self._before = total, done, done
        self._start = self._shown = time.monotonic()
        self._seconds_between = seconds_between
        if done:
            print(f"{done} of {total} runs were finished before", flush=True)

    def finished(self, run: Run, metrics: dict[str, float]) -> None:
        self._done += 1
        per_run = (time.monotonic() - self._start) / (self._done - self._before)
        left = per_run * (self._total - self._done) / 60
        print(
            f"[{self._done}/{self._total}] {run.name}: AP {metrics['AP']:.1f}; "
            f"about {left:.0f} min left",
            flush=True,
        )

    def show(self, folders: dict[Run, Path]) -> None:
        if time.monotonic() - self._shown < self._seconds_between:
            return
        self._shown = time.monotonic()
        for run, folder in folders.items():
            print(f"  {run.name}: iteration {_iterations_done(folder)}", flush=True)


def _iterations_done(folder: Path) -> int:
    try:
        metrics = read_metrics(folder / "metrics.json")
    except (FileNotFoundError, ValueError):  # nothing is written yet
        return 0
    return 1 + max(iterations[-1] for iterations, _ in metrics.values())
