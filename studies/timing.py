"""Timing of a training step of several configs, in one process and in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from detectron2.config import instantiate
from detectron2.utils.events import EventStorage
from torch import nn

from sepc.d2 import datasets  # noqa: F401  (registers the generated data)
from sepc.d2.engine import load_config, memory_layout


def time_steps(
    configs: Mapping[str, tuple[str, Sequence[str]]], *, rounds: int = 7, steps: int = 2
) -> dict[str, list[float]]:
    """Measure seconds of a training step: forward, backward and the optimizer, on one batch.

    In every round each config has its turn, so that what else the machine does hits all alike.

    Args:
        configs: file and overrides by name.
        rounds: in which each is timed once.
        steps: per turn; the turn counts as their mean.

    Returns:
        seconds by name, one value per round.
    """
    step_of = {name: _make_step(file, overrides) for name, (file, overrides) in configs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in configs}
    for step in step_of.values():
        step()  # what is done once
    for _ in range(rounds):
        for name, step in step_of.items():
            start = time.perf_counter()
            for _ in range(steps):
                step()
            seconds[name].append((time.perf_counter() - start) / steps)
    return seconds


def ratio(seconds: Sequence[float], to: Sequence[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(seconds, to, strict=True))


def _make_step(file: str, overrides: Sequence[str]) -> Callable[[], None]:
    cfg = load_config(file, list(overrides))
    model: nn.Module = instantiate(cfg.model).train().to(memory_format=memory_layout(cfg))
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    batch = next(iter(instantiate(cfg.dataloader.train)))

    def step() -> None:
        with EventStorage():
            losses = model(batch)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()

    return step
