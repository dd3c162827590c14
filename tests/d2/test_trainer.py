import random
import signal

import numpy as np
import pytest
import torch
from detectron2.engine import HookBase, hooks
from torch import nn

from sepc import signals
from sepc.d2.engine import Checkpointer, EvalHook, StopOnSignal, Trainer, TrainingStopped
from sepc.d2.engine.rng import get_rng_state, preserved_rng, seed_cpu, set_rng_state


class Noisy(nn.Module):
    """A model whose loss has random numbers in it; ``bad`` makes it fail at that call."""

    def __init__(self, bad=None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.calls, self.bad = 0, bad or {}

    def forward(self, data):
        self.calls += 1
        bad = self.bad.get(self.calls - 1)
        loss = (self.weight * torch.rand(3)).square().sum() * random.random() * np.random.rand()
        if bad == "loss":
            loss = loss * float("nan")
        if bad == "gradient":
            loss = loss + (self.weight - self.weight.detach()).abs().sqrt().sum()
        return {"loss_a": loss, "loss_b": self.weight.sum() * 0.5}


def make_trainer(folder, model=None, period=2, extra=(), **options):
    seed_cpu(0)
    model = model or Noisy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer = Trainer(model, [0] * 1000, optimizer, **options)
    checkpointer = Checkpointer(model, str(folder), trainer=trainer)
    stop = StopOnSignal(checkpointer, torch.device("cpu"))
    periodic = hooks.PeriodicCheckpointer(checkpointer, period)
    trainer.register_hooks([periodic, *extra, stop])
    return trainer, checkpointer


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_value_that_is_not_finite_stops_before_the_step(tmp_path, bad):
    model = Noisy({5: bad})
    trainer, checkpointer = make_trainer(tmp_path, model, period=4)
    reason = "a loss is not finite" if bad == "loss" else "the gradient norm is"
    with pytest.raises(FloatingPointError, match=f"{reason}.*iteration 5.*loss_a = .*loss_b = "):
        trainer.train(0, 10)
    assert model.weight.isfinite().all()
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model_0000003.pth")


def test_failure_at_the_last_iteration_is_not_evaluated(tmp_path):
    def evaluate():
        raise AssertionError("a failed training was evaluated")

    trainer, _ = make_trainer(tmp_path, Noisy({5: "loss"}), extra=[EvalHook(0, evaluate)])
    with pytest.raises(FloatingPointError):
        trainer.train(0, 6)


def test_success_is_evaluated_once(tmp_path):
    calls = []
    trainer, _ = make_trainer(tmp_path, extra=[EvalHook(0, lambda: calls.append(1))])
    trainer.train(0, 6)
    assert calls == [1]


def test_gradients_are_clipped(tmp_path):
    model = Noisy()
    trainer, _ = make_trainer(tmp_path, model, grad_clip={"max_norm": 1e-3, "norm_type": 2})
    trainer.train(0, 1)
    step = (model.weight.detach() - 1).norm()
    torch.testing.assert_close(step, torch.tensor(0.1 * 1e-3), rtol=1e-2, atol=0)
    assert trainer.storage.latest()["grad_norm"][0] > 1e-3  # the norm before clipping


def test_amp_runs_the_model_in_its_precision(tmp_path):
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, data):
            y = self.linear(torch.ones(1, 2))
            assert y.dtype == torch.bfloat16
            return {"loss": y.float().square().sum()}

    trainer, _ = make_trainer(tmp_path, Product(), amp_dtype=torch.bfloat16)
    trainer.train(0, 2)
    assert next(trainer.model.parameters()).dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="loss scaling needs a GPU")
def test_clipping_sees_unscaled_gradients(tmp_path):
    class Cuda(Noisy):
        def forward(self, data):
            return {"loss": (self.weight * torch.tensor([3.0, 4.0, 0.0]).cuda()).sum()}

    model = Cuda().cuda()
    trainer, _ = make_trainer(tmp_path, model, amp_dtype=torch.float16, grad_clip={"max_norm": 1e9})
    trainer.train(0, 1)
    assert trainer.storage.latest()["grad_norm"][0] == pytest.approx(5.0)


class Fit(nn.Module):
    """A quadratic loss of its data, so that the mean over batches is that of the whole."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, data):
        self.seen.append(data)
        return {"loss": (self.weight - data) ** 2, "other": self.weight * 0}


def fit(folder, accumulate, steps, data=range(1000)):
    model = Fit()
    trainer = Trainer(
        model, list(data), torch.optim.SGD(model.parameters(), lr=0.1), accumulate=accumulate
    )
    checkpointer = Checkpointer(model, str(folder), trainer=trainer)
    trainer.register_hooks([hooks.PeriodicCheckpointer(checkpointer, 2)])
    trainer.train(0, steps)
    return trainer


def test_accumulation_is_a_step_on_the_mean(tmp_path):
    trainer = fit(tmp_path, accumulate=3, steps=1)
    assert trainer.model.seen == [0, 1, 2]
    torch.testing.assert_close(trainer.model.weight.detach(), torch.tensor(0.1 * 2.0))
    assert trainer.storage.latest()["loss"][0] == pytest.approx((0 + 1 + 4) / 3)
    assert trainer.storage.latest()["total_loss"][0] == pytest.approx((0 + 1 + 4) / 3)
    assert trainer.batches == 3


def test_iterations_are_steps(tmp_path):
    trainer = fit(tmp_path, accumulate=3, steps=4)
    assert len(trainer.model.seen) == 12
    assert trainer.iter == 4
    state = torch.load(tmp_path / "model_0000003.pth", weights_only=True)
    assert state["iteration"] == 3
    assert state["trainer"]["batches"] == 12


def test_a_bad_batch_of_several_stops_before_the_step(tmp_path):
    with pytest.raises(FloatingPointError, match="not finite at iteration 1"):
        fit(tmp_path, accumulate=2, steps=3, data=[0.0, 1.0, 2.0, float("nan"), 4.0, 5.0])


def test_accumulation_out_of_range():
    with pytest.raises(ValueError, match=r"train\.accumulate: expected 1 or more, got 0"):
        fit(None, accumulate=0, steps=1)


class SendSignal(HookBase):
    def __init__(self, at, signum):
        self.at, self.signum = at, signum

    def before_step(self):
        if self.trainer.iter == self.at:
            signal.raise_signal(self.signum)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_and_stops(tmp_path, signum):
    handler = signal.getsignal(signum)
    trainer, checkpointer = make_trainer(tmp_path, period=100, extra=[SendSignal(3, signum)])
    with pytest.raises(TrainingStopped, match=f"{signum.name} after iteration 3"):
        trainer.train(0, 10)
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model_0000003.pth")
    assert signal.getsignal(signum) == handler

    (tmp_path / "whole").mkdir()
    expected, _ = make_trainer(tmp_path / "whole", period=100)
    expected.train(0, 10)
    resumed, checkpointer = make_trainer(tmp_path, period=100)
    checkpointer.load(checkpointer.get_checkpoint_file())
    resumed.train(resumed.iter + 1, 10)
    torch.testing.assert_close(resumed.model.weight, expected.model.weight, rtol=0, atol=0)


def test_random_states_round_trip(tmp_path):
    def draw():
        return torch.rand(2).tolist(), np.random.randn(3).tolist(), random.random()

    np.random.randn()  # leaves a cached value behind
    torch.save(get_rng_state(), tmp_path / "rng.pth")
    expected = draw()
    set_rng_state(torch.load(tmp_path / "rng.pth", weights_only=True))
    with preserved_rng():
        draw()
    assert draw() == expected


@pytest.mark.parametrize("asynchronous", [False, True])
def test_metrics_are_gathered_every_so_often(tmp_path, asynchronous):
    rows = []

    class Rows(HookBase):
        def after_step(self):
            rows.append("loss_a" in self.trainer.storage.latest())
            self.trainer.storage._latest_scalars.pop("loss_a", None)

    trainer, _ = make_trainer(
        tmp_path, extra=[Rows()], gather_metric_period=3, async_write_metrics=asynchronous
    )
    trainer.train(0, 7)
    assert rows == [False, False, True, False, False, True, False]


def test_metrics_that_can_t_be_written_are_no_secret(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space")

    trainer, _ = make_trainer(tmp_path, async_write_metrics=True)
    monkeypatch.setattr(trainer, "_write_metrics", fail)
    with pytest.raises(OSError, match="no space"):
        trainer.train(0, 2)


def test_gather_period_out_of_range(tmp_path):
    with pytest.raises(ValueError, match="gather_metric_period: expected 1 or more, got 0"):
        make_trainer(tmp_path, gather_metric_period=0)


@pytest.fixture
def interruptible():
    """SIGINT as Python has it; where the tests were started in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_second_signal_ends_at_once_but_not_the_echo_of_the_first(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    with pytest.raises(KeyboardInterrupt), signals.StopSignals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.received == signal.SIGTERM
        now[0] = 4.0
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
