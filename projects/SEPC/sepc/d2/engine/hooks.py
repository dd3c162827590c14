"""Hooks that Detectron2's loop runs around each iteration."""

import logging
import signal
import threading
from typing import Any

import torch
import torch.distributed as dist
from detectron2.engine import HookBase, hooks
from detectron2.utils import comm

from .checkpoint import Checkpointer

logger = logging.getLogger(__name__)


class EvalHook(hooks.EvalHook):
    """Detectron2's hook, without the evaluation of a model whose very last iteration failed."""

    def after_train(self) -> None:
        if self._eval_after_train and self.trainer.iter >= self.trainer.max_iter:
            self._do_eval()
        del self._func


class TrainingStopped(KeyboardInterrupt):
    """Signal that training ended early and in order; its checkpoint is written."""

    def __init__(self, iteration: int, signum: int) -> None:
        super().__init__(
            f"training stopped by {signal.Signals(signum).name} after iteration {iteration}; "
            "its checkpoint is saved, --resume continues from it"
        )
        self.signum = signum


class StopOnSignal(HookBase):
    """Stop all processes on SIGINT or SIGTERM, after the iteration and with a checkpoint.

    A second signal ends the process at once, as it would without this hook; a checkpoint that was
    being written is then dropped and the one before stays.
    """

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, checkpointer: Checkpointer, device: torch.device) -> None:
        """
        Args:
            checkpointer: saves in all processes together.
            device: on which processes agree whether to stop.
        """
        self._checkpointer = checkpointer
        self._device = device
        self._received = 0
        self._handlers: dict[int, Any] = {}

    def before_train(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {s: signal.signal(s, self._receive) for s in self.signals}

    def _receive(self, signum: int, frame: Any) -> None:
        self._received = signum
        self._restore_handlers()
        logger.warning(
            f"{signal.Signals(signum).name}: stopping after this iteration, "
            "once more to stop at once"
        )

    def _restore_handlers(self) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._handlers = {}

    def after_step(self) -> None:
        received = self._received
        if comm.get_world_size() > 1:
            shared = torch.tensor(received, device=self._device)
            dist.all_reduce(shared, dist.ReduceOp.MAX)
            received = int(shared)
        iteration = self.trainer.iter
        if received and iteration + 1 < self.trainer.max_iter:
            self._checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
            raise TrainingStopped(iteration, received)

    def after_train(self) -> None:
        self._restore_handlers()
