"""Moving averages of weights, and averages of checkpoints."""

import math

import numpy as np
import torch
from torch import Tensor

from sepc.averaging import MovingAverage, greedy_average, uniform_average

from ..case import Arrays, Case

State = dict[str, Tensor]


def _states(arrays: Arrays, name: str) -> list[State]:
    found: dict[int, State] = {}
    for key, value in arrays.items():
        which, _, entry = key.partition("/")
        if which.startswith(name) and entry:
            found.setdefault(int(which.removeprefix(name)), {})[entry] = torch.from_numpy(value)
    return [found[i] for i in sorted(found)]


def _check(case: Case, actual: State, prefix: str, bars: float | dict[str, float]) -> None:
    for key, expected in case.arrays.items():
        which, _, entry = key.partition("/")
        if which != prefix or not np.issubdtype(actual[entry].numpy().dtype, np.floating):
            continue  # the references average counters, or leave them: ours copies
        bar = 10 * max(bars[entry] if isinstance(bars, dict) else bars, 6e-8)
        np.testing.assert_allclose(
            actual[entry].numpy(),
            expected,
            rtol=0,
            atol=bar * max(np.abs(expected).max(), 1e-30),
            err_msg=f"{case.id}, {key}",
        )


def ema(case: Case) -> None:
    states = _states(case.inputs, "state")
    stored = [key.partition("/") for key in case.arrays if "/" in key]
    entries = {entry for _, _, entry in stored}
    states = [{k: v for k, v in state.items() if k in entries} for state in states]
    text = case.config["ramp"]
    ramp = 0.0 if text.startswith("none") else float(text.split("exp(-k / ")[1].split(")")[0])
    decay = case.config["decay"]
    average = MovingAverage(states[0], decay=decay, ramp=ramp)
    if "one_minus_decay" in case.arrays:
        ours = [1 - average.decay_at(k) for k in range(1, len(states))]
        np.testing.assert_allclose(ours, case.arrays["one_minus_decay"], rtol=1e-12)
    interval = case.config.get("interval", 1)
    for k, state in enumerate(states[1:], start=1):
        if k % interval == 0:
            average.update(state, k)
            counters = [name for name in state if name.endswith("num_batches_tracked")]
            for name in counters:
                assert torch.equal(average.state[name], state[name])
        if k in case.config["stored_after"]:
            _check(case, average.state, f"ema_after{k}", case.spec["float64_vs_float32"])


def uniform(case: Case) -> None:
    states = _states(case.arrays, "model")
    mean = uniform_average(states)
    _check(case, mean, "soup", case.spec["float64_vs_float32"])
    assert mean["bn.num_batches_tracked"].dtype == torch.int64


def greedy(case: Case) -> None:
    states = _states(case.arrays, "model")
    target = torch.from_numpy(case.arrays["target"])
    tried: list[float] = []

    def metric(state: dict[str, Tensor]) -> float:
        tried.append(1.0 / (1.0 + (state["conv.weight"].double() - target).square().mean().item()))
        return tried[-1]

    mean, taken = greedy_average(states, metric)
    values = case.spec["values"]
    assert taken == values["ingredients_in_order"]
    assert all(
        math.isclose(a, b, rel_tol=1e-6)
        for a, b in zip(tried, values["individual"] + values["tried"], strict=True)
    )
    assert math.isclose(max(tried), values["best"], rel_tol=1e-6)
    _check(case, mean, "soup", case.spec["float64_vs_float32"])


RUNNERS = {"ema": ema, "uniform_soup": uniform, "greedy_soup": greedy}
