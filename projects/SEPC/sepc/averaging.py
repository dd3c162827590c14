"""Averages of weights: over the steps of one training, and over checkpoints of several.

All of them treat a state dict alike: what is a floating-point number is averaged, running
statistics too; what is not, such as a counter of batches, is copied.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

State = Mapping[str, Tensor]


class MovingAverage:
    """Exponential moving average of a state dict, whose decay begins small and grows.

    After step k = 1, 2, ... the average is d_k average + (1 - d_k) state with
    d_k = decay (1 - exp(-k / ramp)), the ramp of YOLOX and mmdetection: early weights, which are
    far from the last, are forgotten. Low precisions are averaged in float32.
    """

    def __init__(self, state: State, *, decay: float = 0.9998, ramp: float = 2000.0) -> None:
        """
        Args:
            state: to begin with; copied.
            decay: that d_k approaches, in [0, 1).
            ramp: steps after which it has come to 63 % of that; 0: ``decay`` from the beginning.

        Raises:
            ValueError: for numbers out of range.
        """
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay of averaged weights: expected 0 to below 1, got {decay}")
        if ramp < 0:
            raise ValueError(f"ramp of averaged weights: expected 0 or more steps, got {ramp}")
        self.decay, self.ramp = decay, ramp
        self.state = {name: _widened(value).clone() for name, value in state.items()}

    def decay_at(self, step: int) -> float:
        """d_k of step k, counted from 1."""
        return self.decay * (1.0 - math.exp(-step / self.ramp)) if self.ramp else self.decay

    @torch.no_grad()
    def update(self, state: State, step: int) -> None:
        """Take in the state after a step, counted from 1; of the same names and shapes."""
        share = 1.0 - self.decay_at(step)
        averages, values = [], []
        for name, average in self.state.items():
            if average.is_floating_point():
                averages.append(average)
                values.append(state[name].detach().to(average))
            else:
                average.copy_(state[name])
        torch._foreach_lerp_(averages, values, share)


def uniform_average(states: Sequence[State]) -> dict[str, Tensor]:
    """The mean of state dicts (https://arxiv.org/abs/2203.05482, Sec 2, uniform soup).

    Raises:
        ValueError: if there is none, or they are not of one model; names what differs.
    """
    _check_alike(states)
    return _mean(states)


def greedy_average(
    states: Sequence[State], metric: Callable[[State], float]
) -> tuple[dict[str, Tensor], list[int]]:
    """The mean of those state dicts that make it better, best ones first (Recipe 1 there).

    Args:
        states: of one model; of equal ones the later is tried first, as in the reference.
        metric: of a state dict, more is better. It chooses, so what it is measured on says nothing
            about the result any more.

    Returns:
        the mean, and the places of what it is made of in ``states``, in the order taken.

    Raises:
        ValueError: as :func:`uniform_average`.
    """
    _check_alike(states)
    alone = [metric(state) for state in states]
    order = sorted(range(len(states)), key=lambda i: (alone[i], i), reverse=True)
    taken, best = order[:1], alone[order[0]]
    for candidate in order[1:]:
        tried = metric(_mean([states[i] for i in [*taken, candidate]]))
        if tried > best:
            taken, best = [*taken, candidate], tried
    return _mean([states[i] for i in taken]), taken


def _mean(states: Sequence[State]) -> dict[str, Tensor]:
    mean = {}
    for name, first in states[0].items():
        values = [state[name] for state in states]
        if first.is_floating_point():
            total = sum((value.double() for value in values), torch.zeros((), dtype=torch.float64))
            mean[name] = (total / len(values)).to(first.dtype)
        else:
            mean[name] = first.clone()
    return mean


def _check_alike(states: Sequence[State]) -> None:
    if not states:
        raise ValueError("expected one or more sets of weights to average, got none")
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in states]
    for i, other in enumerate(shapes[1:], start=2):
        if differing := sorted(set(shapes[0].items()) ^ set(other.items())):
            names = ", ".join(dict.fromkeys(name for name, _ in differing))
            raise ValueError(
                f"expected weights of one model, got others in number {i} than in number 1: "
                f"{names[:200]}"
            )


def _widened(value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value.detach()
    return value.detach().to(torch.promote_types(value.dtype, torch.float32))
