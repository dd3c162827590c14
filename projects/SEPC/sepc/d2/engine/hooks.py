"""Hooks that Detectron2's loop runs around each iteration."""

from __future__ import annotations

import contextlib
import signal
import sys

import torch
from detectron2.engine import HookBase, hooks
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import nn

from ...visualize.offset_lengths import OffsetLengths, kernels_that_deform, watch_offsets
from .agreement import highest
from .bad_images import BadImageError
from .checkpoint import Checkpointer


class EvalHook(hooks.EvalHook):
    """Detectron2's hook, without the evaluation of a model whose very last iteration failed."""

    def after_train(self) -> None:
        if self._eval_after_train and self.trainer.iter >= self.trainer.max_iter:
            self._do_eval()
        del self._func


class TrainingStopped(KeyboardInterrupt):
    """Signal that training, or an evaluation in it, ended early in all processes together."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"training stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopOnSignal(HookBase):
    """Stop all processes together, with a checkpoint of the last whole iteration.

    That is after an iteration in which a process got SIGINT or SIGTERM, and wherever an evaluation
    raises :class:`TrainingStopped`, or a :class:`~.bad_images.BadImageError` ends the training. A
    second signal ends the process at once; a checkpoint that was being written is then dropped and
    the one before stays. See :class:`sepc.signals.StopSignals`.

    Register it after the hooks whose state a checkpoint holds, and before :class:`EvalHook`.
    """

    def __init__(self, checkpointer: Checkpointer, device: torch.device) -> None:
        """
        Args:
            checkpointer: saves in all processes together.
            device: on which processes agree whether to stop.
        """
        self._checkpointer = checkpointer
        self._device = device
        self._complete = -1

    def before_train(self) -> None:
        self._complete = self.trainer.start_iter - 1

    def after_step(self) -> None:
        self._complete = iteration = self.trainer.iter
        signum = highest(self.trainer.stop_signals.received, self._device)
        if signum and iteration + 1 < self.trainer.max_iter:
            raise TrainingStopped(signum)

    def after_train(self) -> None:
        stop = sys.exc_info()[1]  # Detectron2's loop calls this in its `finally`
        if not isinstance(stop, (TrainingStopped, BadImageError)):
            return
        if self.trainer.start_iter <= self._complete < self.trainer.max_iter - 1:
            self._checkpointer.save(f"model_{self._complete:07d}", iteration=self._complete)
            stop.args = (
                f"{stop}{'; stopped' * isinstance(stop, BadImageError)} after iteration "
                f"{self._complete}; its checkpoint is saved, --resume continues from it",
            )
        comm.synchronize()  # none ends, and has the others ended, before the main one has saved


class OffsetMetrics(HookBase):
    """Adds the mean offset of each layer of the trunk to the metrics, level by level, in cells.

    Such as ``offset/stage_1/level_2``; level 0 is the finest. It is taken of iterations whose
    metrics are written, from what is computed anyway, before they change the weights.
    """

    def __init__(self, model: nn.Module, period: int) -> None:
        """
        Args:
            model: one with a SEPC trunk; others, and those that do not deform, add nothing.
            period: iterations from one that is written to the next.
        """
        self._model = model
        self._period = period
        self._watching = contextlib.ExitStack()
        self._watched: OffsetLengths | None = None

    def before_step(self) -> None:
        if (self.trainer.iter + 1) % self._period == 0:
            self._watched = self._watching.enter_context(watch_offsets(self._model))

    def after_step(self) -> None:
        self._watching.close()
        if self._watched is None:
            return
        for layer, levels in self._watched.by_level().items():
            for level, length in levels.items():
                name = f"offset/{layer.replace(' ', '_')}/level_{level}"
                get_event_storage().put_scalar(name, length, smoothing_hint=False)
        self._watched = None


def offset_metrics(model: nn.Module, period: int) -> OffsetMetrics | None:
    """Make an :class:`OffsetMetrics` if the model has a trunk that deforms; main process alone."""
    with contextlib.suppress(ValueError):  # no trunk
        if comm.is_main_process() and kernels_that_deform(model):
            return OffsetMetrics(model, period)
    return None
