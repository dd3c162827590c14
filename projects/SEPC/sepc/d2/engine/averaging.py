"""Averaged weights of a training: kept by its checkpoints, used by its evaluations."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from detectron2.engine import HookBase
from detectron2.utils import comm
from omegaconf import DictConfig
from torch import Tensor, nn

from ...averaging import MovingAverage
from ...checkpoint.writing import write_data
from ...signals import StopSignals
from .console import brief_evaluation
from .data_note import DataNote
from .evaluation import evaluate
from .results import BestWeights, log_briefly

FILE = "model_averaged.pth"

logger = logging.getLogger(__name__)


class AveragedWeights(HookBase):
    """Keeps the moving average of a model's weights; a checkpointable like the trainer.

    Registered ahead of the hooks that save and evaluate. It begins with the weights that the
    training begins with, or with those of the checkpoint that it continues from.
    """

    def __init__(self, model: nn.Module, **settings: float) -> None:
        """
        Args:
            model: the one that is trained, in parallel or not.
            settings: ``decay`` and ``ramp`` of :class:`sepc.averaging.MovingAverage`.
        """
        self._model = getattr(model, "module", model)
        self._settings = settings
        self._average = MovingAverage({}, **settings)  # the settings are checked before training

    def before_train(self) -> None:
        if not self._average.state:
            self._average = MovingAverage(self._model.state_dict(), **self._settings)
            logger.info(f"Averaging weights from iteration {self.trainer.start_iter} on")

    def after_step(self) -> None:
        self._average.update(self._model.state_dict(), self.trainer.iter + 1)

    def state_dict(self) -> dict[str, Tensor]:
        return self._average.state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        device = next(self._model.parameters()).device
        state = {name: value.to(device) for name, value in state.items()}
        self._average = MovingAverage(state, **self._settings)

    @contextmanager
    def applied(self, output_dir: str, note: DataNote) -> Iterator[None]:
        """Let the model have the averaged weights meanwhile; write them to ``model_averaged.pth``.

        That file is a checkpoint like another, to evaluate, export and look at. Where there is no
        average, the model keeps its own weights and no file is written.
        """
        if not self._average.state:  # a training without them is over, and is evaluated again
            yield
            return
        own = {name: value.clone() for name, value in self._model.state_dict().items()}
        _fill(self._model, self._average.state)
        try:
            if comm.is_main_process():
                content = {"model": self._model.state_dict(), "data": note.state_dict()}
                write_data(content, os.path.join(output_dir, FILE))
            yield
        finally:
            _fill(self._model, own)


@torch.no_grad()
def _fill(model: nn.Module, values: dict[str, Any]) -> None:
    for name, value in model.state_dict().items():
        value.copy_(values[name])


def averaged_weights(cfg: DictConfig, model: nn.Module) -> AveragedWeights | None:
    """The averaged weights that ``train.ema`` asks for, or None.

    Raises:
        ValueError: for a decay or ramp out of range.
    """
    settings = dict(cfg.train.get("ema") or {})
    return AveragedWeights(model, **settings) if settings.pop("enabled", False) else None


def evaluate_training(
    cfg: DictConfig,
    model: nn.Module,
    averaged: AveragedWeights | None,
    stop_signals: StopSignals | None = None,
    *,
    best: BestWeights | None = None,
    brief: bool = False,
) -> dict[str, Any]:
    """Evaluate a model in training as :func:`evaluate`, by its averaged weights if it has some.

    Its detections are written to the folder ``inference`` of the output folder.

    Args:
        cfg, model, stop_signals: see :func:`evaluate`.
        averaged: of the model, if the training keeps them.
        best: writes the weights that were evaluated if they are the best.
        brief: a line on the terminal in place of tables.
    """
    folder = cfg.train.output_dir
    with averaged.applied(folder, DataNote(cfg)) if averaged else nullcontext():
        with brief_evaluation(brief=brief):
            results = evaluate(cfg, model, stop_signals, os.path.join(folder, "inference"))
        if brief:
            log_briefly(results)
        if best:
            best.update(model, results)
    return results
