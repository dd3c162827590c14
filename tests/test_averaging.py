"""Averages of weights by numbers that are known; those of the references are golden cases."""

import pytest
import torch

from sepc.averaging import MovingAverage, greedy_average, uniform_average


def state(value, dtype=torch.float32, count=0):
    return {"weight": torch.full((2,), value, dtype=dtype), "count": torch.tensor(count)}


def test_decay_begins_small_and_grows():
    average = MovingAverage(state(0.0), decay=0.9, ramp=10)
    rates = [average.decay_at(k) for k in (1, 10, 1000)]
    assert rates == pytest.approx([0.9 * 0.0951626, 0.9 * 0.6321206, 0.9], abs=1e-6)


def test_low_precision_is_averaged_in_float32():
    average = MovingAverage(state(1.0, torch.bfloat16), decay=0.999, ramp=0)
    for step in range(1, 101):
        average.update(state(2.0, torch.bfloat16), step)
    # in bfloat16 every step would be lost: 1 + 0.001 is 1
    assert average.state["weight"][0].item() == pytest.approx(2 - 0.999**100, rel=1e-4)


def test_what_it_begins_with_is_left_alone():
    first = state(1.0)
    MovingAverage(first, decay=0.5, ramp=0).update(state(3.0, count=4), 1)
    assert first["weight"].tolist() == [1.0, 1.0] and first["count"] == 0


def test_counters_are_copied():
    average = MovingAverage(state(0.0), decay=0.5, ramp=0)
    average.update(state(1.0, count=7), 1)
    assert average.state["count"].tolist() == 7
    assert uniform_average([state(0.0, count=3), state(1.0, count=8)])["count"].tolist() == 3


def test_equal_weights_are_no_gain_for_the_greedy():
    mean, taken = greedy_average([state(1.0), state(1.0)], lambda x: x["weight"].sum().item())
    assert taken == [1] and mean["weight"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"decay": 1.0}, "decay.*0 to below 1, got 1.0"), ({"ramp": -1}, "ramp.*0 or more.*got -1")],
)
def test_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        MovingAverage({}, **settings)


def test_weights_of_other_models_are_named():
    with pytest.raises(ValueError, match="none"):
        uniform_average([])
    other = {"weight": torch.zeros(3), "count": torch.tensor(0)}
    with pytest.raises(ValueError, match=r"others in number 2 than in number 1: weight$"):
        uniform_average([state(0.0), other])
