"""Signals to a whole training: its process group, with loader processes or several processes.

SEPC_STOP_REPETITIONS=100 repeats each kill, at random moments, and counts.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from .helpers import CONFIGS, ROOT, tiny_overrides

CONFIG = str(CONFIGS / "quickstart" / "retinanet_sepc.py")
REPETITIONS = int(os.environ.get("SEPC_STOP_REPETITIONS", "1"))
PATIENCE = 300  # seconds, for a busy machine
SITUATIONS = {
    "one process": {},
    "two loader processes": {"dataloader.train.num_workers": 2},
    "two processes": {"num_gpus": 2},
    "two of both": {"num_gpus": 2, "dataloader.train.num_workers": 2},
}
on_a_cpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason="CPU processes need a machine without GPU"
)


class Training:
    """``train_net.py`` in a process group of its own, on generated data."""

    def __init__(self, data, folder, *flags, num_gpus=0, **others):
        (folder / "datasets").mkdir(parents=True, exist_ok=True)
        if not (folder / "datasets" / "shapes").exists():
            (folder / "datasets" / "shapes").symlink_to(data)
        self.output = folder / "out"
        overrides = tiny_overrides(
            self.output,
            **{
                "dataloader.train.dataset.names": "shapes_train",
                "dataloader.test.dataset.names": "shapes_val",
                "train.max_iter": 100_000,
                "train.checkpointer.period": 100_000,
                **others,
            },
        )
        flags = ["--config-file", CONFIG, "--num-gpus", num_gpus, "--dist-url", "auto", *flags]
        self.log = folder / "output.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "train_net.py", *map(str, flags), *overrides],
                env=os.environ
                | {
                    "PYTHONPATH": str(ROOT / "projects" / "SEPC"),
                    "OMP_NUM_THREADS": "1",
                    "DETECTRON2_DATASETS": str(folder / "datasets"),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def text(self):
        return self.log.read_text(errors="replace")

    def iterations(self):
        metrics = self.output / "metrics.json"
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        return [row["iteration"] for row in rows if "total_loss" in row]

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.text[-3000:]
            assert time.monotonic() < end, self.text[-3000:]
            time.sleep(0.05)

    def end(self):
        status = self.process.wait(PATIENCE)
        assert "Traceback" not in self.text, self.text[-3000:]
        return status

    def saved(self):
        """Iteration of the last checkpoint, which is read."""
        name = (self.output / "last_checkpoint").read_text()
        state = torch.load(self.output / name, weights_only=True)
        assert "trainer" in state
        return state["iteration"]

    def no_process_left(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.1)
        return False


@on_a_cpu
@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(name, marks=() if name == "two loader processes" else pytest.mark.slow)
        for name in SITUATIONS
    ],
)
def test_a_signal_to_the_process_group_saves(tiny_data, tmp_path, situation):
    for number in range(REPETITIONS):
        signum = random.choice([signal.SIGTERM, signal.SIGINT])
        folder = tmp_path / str(number)
        with Training(tiny_data, folder, **SITUATIONS[situation]) as training:
            training.wait_for(training.iterations)
            time.sleep(random.uniform(0, 1))
            os.killpg(training.process.pid, signum)
            assert training.end() == 128 + signum
            saved = training.saved()
            assert saved >= max(training.iterations())
            assert f"training stopped by {signum.name} after iteration {saved}" in training.text
            assert training.no_process_left()
    with Training(
        tiny_data, folder, "--resume", **SITUATIONS[situation], **{"train.max_iter": saved + 3}
    ) as training:
        assert training.end() == 0
        assert training.saved() == saved + 2
        assert training.iterations() == list(range(saved + 3))


@on_a_cpu
@pytest.mark.slow
def test_a_signal_to_the_launcher_alone_saves(tiny_data, tmp_path):
    """As `docker stop` has it; the launcher passes the signal on."""
    with Training(tiny_data, tmp_path, num_gpus=2) as training:
        training.wait_for(training.iterations)
        training.process.terminate()
        assert training.end() == 128 + signal.SIGTERM
        assert training.saved() >= max(training.iterations())
        assert training.no_process_left()


@on_a_cpu
@pytest.mark.slow
def test_loader_processes_end_with_a_killed_training(tiny_data, tmp_path):
    with Training(tiny_data, tmp_path, **{"dataloader.train.num_workers": 2}) as training:
        training.wait_for(training.iterations)
        training.process.kill()
        assert training.end() == -signal.SIGKILL
        assert training.no_process_left()
