"""Settings of the whole test run: its threads, and what is left out where Detectron2 is missing."""

import importlib.util
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Waiting threads sleep: beside other work, spinning ones made tests up to eight times as long.
# OpenMP reads it when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from dev.setup_env import detectron2_in_use

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # a worker, and what it starts, takes its share
    _workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, CORES // _workers)))
THREADS = int(os.environ.get("OMP_NUM_THREADS", CORES))

# Only whether it is there: one that is there and broken should fail its tests, not lose them.
HAS_DETECTRON2 = importlib.util.find_spec("detectron2") is not None
NEEDS_DETECTRON2 = "d2"
HOW_TO_GET_IT = "`make detectron2` looks for it and says how to add it; see README, Installation"

collect_ignore = [] if HAS_DETECTRON2 else [NEEDS_DETECTRON2]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Worker processes of ``-n auto``: one per core that this process may use."""
    return CORES


@pytest.fixture(autouse=True)
def own_threads() -> None:
    """Every test starts with its share of the cores; training programs take all of them."""
    torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def own_loggers() -> Iterator[None]:
    """What a program sets up for its log ends with the test.

    It would keep messages from caplog, and write to a stream that is closed, in the tests after it.
    """
    loggers = [logging.getLogger(name) for name in ("sepc", "detectron2", "fvcore")]
    before = [(x.propagate, x.level, list(x.handlers)) for x in loggers]
    yield
    for x, (propagate, level, handlers) in zip(loggers, before, strict=True):
        x.propagate, x.handlers = propagate, handlers
        x.setLevel(level)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-dir",
        default=None,
        help="folder with a manifest.json of golden cases; default: tests/golden/data",
    )


def pytest_report_header() -> str:
    if HAS_DETECTRON2:
        return detectron2_in_use()
    return f"{detectron2_in_use()}: {HOW_TO_GET_IT}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if HAS_DETECTRON2:
        return
    folder = Path(__file__).parent / NEEDS_DETECTRON2
    names = ", ".join(sorted(path.stem for path in folder.rglob("test_*.py"))) or "no file"
    terminalreporter.section("left out without Detectron2")
    terminalreporter.write_line(f"tests/{NEEDS_DETECTRON2}: {names}")
    terminalreporter.write_line(HOW_TO_GET_IT)
