"""Guided losses: the formula, what is safe, what a checkpoint holds, and several processes."""

import logging

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from sepc import optimize_for_inference
from sepc.layers import GuidedLosses

NAMES = ["cls", "box", "centerness"]


def losses(cls=4.0, box=1.0, centerness=2.0):
    values = dict(zip(NAMES, (cls, box, centerness), strict=True))
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def guided(warmup=2, sigmas=(1.0, 2.0, -0.5)):
    module = GuidedLosses(NAMES, warmup_iters=warmup)
    module.sigmas.data = torch.tensor(sigmas)
    return module


def test_formula_and_gradients():
    given = losses()
    weighted = guided()(given)
    ratio = (1.0 + 2.0) / 2 / 4.0
    expected = {
        "cls": ratio * 4.0 / 2,
        "box": 1.0 / (2 * 4),
        "centerness": 2.0 / (2 * 0.25),
        "loss_log_scales": 0.0,  # log(1) + log(2) + log(0.5), also for a negative s
    }
    assert list(weighted) == list(expected)
    for name, value in expected.items():
        assert weighted[name].item() == pytest.approx(value, abs=1e-6)
    sum(weighted.values()).backward()
    gradients = [given[name].grad.item() for name in NAMES]
    assert gradients == pytest.approx([ratio / 2, 1 / 8, 2.0])  # none goes through r


def test_ratio_is_that_of_the_last_call_of_the_warm_up():
    module = guided(warmup=2)
    ratios = [module(losses(cls=cls)) and module.ratio.item() for cls in (1.0, 3.0, 100.0)]
    assert ratios == [1.5, 0.5, 0.5]
    assert module.iterations == 2


@pytest.mark.parametrize(
    "empty", [{"cls": 0.0}, {"box": 0.0, "centerness": 0.0}, {"cls": 1e-45, "box": 1e38}]
)
def test_ratio_stays_where_a_loss_is_zero(empty):
    module = guided(warmup=2)
    module(losses())
    before = module.ratio.clone()
    weighted = module(losses(**empty))
    assert module.ratio == before > 0
    assert module.iterations == 2
    assert all(value.isfinite() for value in weighted.values())
    given = losses()
    sum(module(given).values()).backward()
    assert given["cls"].grad > 0


@pytest.mark.parametrize("calls", [1, 3])
def test_state_dict_continues_exactly(calls):
    whole, resumed = guided(), guided()
    for call in range(calls):
        whole(losses(cls=call + 1.0))
    resumed.load_state_dict(whole.state_dict())
    for call in range(3):
        assert whole(losses(cls=call + 5.0)) == resumed(losses(cls=call + 5.0))
    assert set(whole.state_dict()) == {"sigmas", "iterations", "ratio"}


def test_weights_without_it_load_strictly(caplog):
    model = nn.ModuleDict({"conv": nn.Conv2d(1, 1, 1), "guided": guided()})
    with_it = model.state_dict()
    without = {name: value for name, value in with_it.items() if name.startswith("conv")}
    with caplog.at_level(logging.WARNING, "sepc"):
        model.load_state_dict(with_it)
        assert not caplog.messages
        model.load_state_dict(without)
    assert caplog.messages == ["The weights have no guided: it starts anew, if it is trained"]
    assert set(without) == {"conv.weight", "conv.bias"}, "the caller's dict was changed"
    del with_it["guided.ratio"]
    with pytest.raises(RuntimeError, match=r'Missing key.*"guided.ratio"'):
        model.load_state_dict(with_it)


def test_inference_goes_without():
    model = nn.ModuleDict({"conv": nn.Conv2d(1, 1, 1), "guided": guided()})
    optimized = optimize_for_inference(model)
    assert set(optimized.state_dict()) == {"conv.weight", "conv.bias"}
    assert isinstance(model["guided"], GuidedLosses)


@pytest.mark.parametrize(
    ("names", "warmup", "message"),
    [
        (["cls"], 1, r"two or more different names of losses, got \['cls'\]"),
        (["cls", "cls"], 1, r"two or more different names .* got \['cls', 'cls'\]"),
        (NAMES, 0, "expected warmup_iters of 1 or more, got 0"),
    ],
)
def test_arguments_out_of_range(names, warmup, message):
    with pytest.raises(ValueError, match=message):
        GuidedLosses(names, warmup_iters=warmup)


def test_other_losses_are_named():
    with pytest.raises(ValueError, match=r"losses \['box', 'centerness', 'cls'\], got \['cls'\]"):
        guided()({"cls": torch.tensor(1.0)})


def _measure_in_process(rank: int, file: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    module = guided(warmup=1)
    module(losses(cls=[2.0, 4.0][rank], box=[0.0, 1.0][rank], centerness=[0.0, 2.0][rank]))
    assert module.ratio.item() == (0.0 + 1.5) / (2.0 + 4.0)
    if rank == 0:  # after the warm-up no process waits for another
        module(losses())
    dist.destroy_process_group()


@pytest.mark.slow
def test_average_over_two_processes(tmp_path):
    mp.spawn(_measure_in_process, args=(str(tmp_path / "store"),), nprocs=2)
