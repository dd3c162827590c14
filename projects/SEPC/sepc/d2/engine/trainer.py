"""Detectron2's training step with mixed precision, clipping, and a complete state."""

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import torch
import torch.distributed as dist
from detectron2.engine import SimpleTrainer
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ...layers.fast.single_column import guard_strided_convs
from ...program import one_line
from ...signals import StopSignals, stops_blocked
from .bad_images import BadImageError, BadImages, usable
from .rng import get_rng_state, set_rng_state

logger = logging.getLogger(__name__)


class Trainer(SimpleTrainer):
    """Trainer with one optimization step per iteration, of one batch or several.

    Adds to Detectron2's ``SimpleTrainer``: autocast with gradient scaling, clipping of the
    unscaled gradients, the norm of the gradients among the metrics (``grad_norm``), a stop on
    losses or gradients that are not finite *before* they reach the weights, a stop of all processes
    on an image that can't be used, gradient accumulation, and a state that makes a resumed training
    equal to an uninterrupted one.

    With ``accumulate`` the loss of an iteration is the mean over its batches. Whatever counts
    iterations, such as the schedule, counts steps. What a model takes from a batch it takes from
    each alone: the statistics of its norms are those of one batch, as without accumulation, and its
    running averages (of norms, and of Detectron2's number of positives) move with every batch.

    Attributes:
        stop_signals: SIGINT and SIGTERM while :meth:`train` runs; :class:`.hooks.StopOnSignal`
            and :func:`.evaluation.evaluate` act on them.
        bad_images: those skipped so far.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: DataLoader,
        optimizer: torch.optim.Optimizer,
        *,
        amp_dtype: torch.dtype | None = None,
        grad_clip: Mapping[str, Any] | None = None,
        accumulate: int = 1,
        gather_metric_period: int = 1,
        async_write_metrics: bool = False,
    ) -> None:
        """
        Args:
            model: returns a dict of scalar losses in training, always the same ones.
            data_loader: batches without end.
            optimizer: over the parameters of the model.
            amp_dtype: precision of autocast; float16 scales the loss. None: no mixed precision.
            grad_clip: arguments of ``torch.nn.utils.clip_grad_norm_``: ``max_norm`` and, if
                wanted, ``norm_type``. None: no clipping.
            accumulate: batches per iteration; they are loaded before the first is computed.
            gather_metric_period: iterations from one to the next that gathers the losses of all
                processes and logs them.
            async_write_metrics: gather and log them in a thread, beside the optimizer's step.
                Unlike Detectron2, it is done before the hooks run: these, too, talk to the other
                processes, and write what is in the storage.

        Raises:
            ValueError: fewer than one batch per iteration, or a period below 1.
        """
        if accumulate < 1:
            raise ValueError(f"train.accumulate: expected 1 or more, got {accumulate}")
        if gather_metric_period < 1:
            raise ValueError(
                f"gather_metric_period: expected 1 or more, got {gather_metric_period}"
            )
        super().__init__(
            model,
            data_loader,
            optimizer,
            gather_metric_period=gather_metric_period,
            async_write_metrics=async_write_metrics,
        )
        self.amp_dtype = amp_dtype
        self.accumulate = accumulate
        self.batches = 0  # seen since the training began
        self.grad_clip: dict[str, Any] = dict(grad_clip or {"max_norm": float("inf")})
        self.device = next(model.parameters()).device
        if self.device.type == "cpu" and amp_dtype == torch.bfloat16:
            guard_strided_convs(model)
        self.stop_signals = StopSignals("stopping after this iteration, once more to stop at once")
        self.bad_images = BadImages(self.device)
        self._metrics_written: Future | None = None
        self.grad_scaler = torch.amp.GradScaler(
            self.device.type, enabled=amp_dtype == torch.float16
        )

    def run_step(self) -> None:
        """Take one step.

        Raises:
            FloatingPointError: if a loss, or an unscaled gradient, is not finite.
            BadImageError: if an image can't be used and is not to be skipped, or the model has
                a ValueError for a batch.
        """
        start = time.perf_counter()
        batches = self._load_batches()
        data_time = time.perf_counter() - start
        self.optimizer.zero_grad()
        losses: dict[str, Tensor] = {}
        for number, data in enumerate(batches, start=1):
            with self._gradients_of_processes(added=number == self.accumulate):
                for name, loss in self._forward_and_backward(data).items():
                    losses[name] = losses[name] + loss if name in losses else loss
        self.batches += self.accumulate
        self.after_backward()

        self.grad_scaler.unscale_(self.optimizer)
        grad_norm = self._clip_gradients(losses)
        get_event_storage().put_scalar("grad_norm", grad_norm)
        if self.async_write_metrics:
            self._metrics_written = self.concurrent_executor.submit(
                self._write_metrics, losses, data_time, iter=self.iter
            )
        else:
            self._write_metrics(losses, data_time)
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def after_step(self) -> None:
        """Run the hooks, when what is written beside the step is written."""
        if self._metrics_written:
            self._metrics_written.result()
        super().after_step()

    @property
    def _data_loader_iter(self) -> Iterator:
        with stops_blocked():  # while loader processes start, which then see to it themselves
            return super()._data_loader_iter

    def _load_batches(self) -> list[Any]:
        """Load the batches of an iteration, which all processes can use."""
        loaded = [usable(next(self._data_loader_iter)) for _ in range(self.accumulate)]
        self.bad_images.add([x for _, bad in loaded for x in bad])
        return [batch for batch, _ in loaded]

    def _forward_and_backward(self, data: Any) -> dict[str, Tensor]:
        """Compute losses of one batch, as parts of the mean over the batches of the iteration."""
        autocast = torch.autocast(
            self.device.type, dtype=self.amp_dtype, enabled=self.amp_dtype is not None
        )
        losses, failure = {}, ""
        with autocast:
            try:
                losses = {k: loss / self.accumulate for k, loss in self.model(data).items()}
            except ValueError as error:  # of what is in the images: sizes, ground truth
                failure = f"can't train on {_files(data)}: {one_line(error)}"
        self._require_finite_losses(losses, failure)
        total = sum(losses.values(), torch.zeros((), device=self.device))
        self.grad_scaler.scale(total).backward()
        return {name: loss.detach() for name, loss in losses.items()}

    def _gradients_of_processes(self, *, added: bool) -> contextlib.AbstractContextManager:
        """Exchange gradients with the other processes in this backward pass, or in a later one."""
        if isinstance(self.model, DistributedDataParallel) and not added:
            return self.model.no_sync()
        return contextlib.nullcontext()

    def _require_finite_losses(self, losses: dict[str, Tensor], failure: str) -> None:
        # All processes decide together, so that none waits for one that has stopped.
        values = [loss.detach().float() for loss in losses.values()]
        finite = torch.tensor(not failure, dtype=torch.float32, device=self.device)
        finite = finite * torch.stack(values or [finite]).isfinite().all()
        if comm.get_world_size() > 1:
            dist.all_reduce(finite, dist.ReduceOp.MIN)
        if not finite:
            if failures := [text for text in comm.all_gather(failure) if text]:
                raise BadImageError("; ".join(failures))
            raise FloatingPointError(
                f"training stopped: a loss is not finite at iteration {self.iter}: {_text(losses)}"
            )

    def _clip_gradients(self, losses: dict[str, Tensor]) -> float:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, **self.grad_clip))
        # With loss scaling an overflow is a matter of course: the scaler skips the step.
        if not math.isfinite(norm) and not self.grad_scaler.is_enabled():
            raise FloatingPointError(
                f"training stopped: the gradient norm is {norm} at iteration {self.iter}, "
                f"with losses {_text(losses)}"
            )
        return norm

    def train(self, start_iter: int, max_iter: int) -> None:
        """Run Detectron2's loop. What :meth:`run_step` raises is logged by the caller."""
        loop_logger = logging.getLogger("detectron2.engine.train_loop")
        loop_logger.addFilter(_is_unexpected)
        try:
            with self.stop_signals:
                super().train(start_iter, max_iter)
        finally:
            loop_logger.removeFilter(_is_unexpected)
            self.bad_images.report("others were trained on in their place")

    def state_dict(self) -> dict[str, Any]:
        """State of loop, optimizer, scaler, data stream and, per process, of what is random.

        Call it in all processes.
        """
        state = super().state_dict()
        state["grad_scaler"] = self.grad_scaler.state_dict()
        state["batches"] = self.batches
        if hasattr(self.data_loader, "stream"):
            state["stream_seed"] = self.data_loader.stream.seed
        state["processes"] = comm.gather(
            {"rng": get_rng_state(), "loss_normalizers": self._loss_normalizers()}
        )
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the iteration that ``state_dict`` was saved at."""
        super().load_state_dict(state_dict)
        if state_dict.get("grad_scaler") and self.grad_scaler.is_enabled():
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
        self.batches = state_dict.get("batches", self.iter + 1)
        if "stream_seed" in state_dict and hasattr(self.data_loader, "stream"):
            self.data_loader.stream.seek(seed=state_dict["stream_seed"], batch=self.batches)
        processes = state_dict.get("processes", [])
        if len(processes) != comm.get_world_size():
            logger.warning(
                f"The checkpoint is of {len(processes)} processes, this training has "
                f"{comm.get_world_size()}: random states start anew"
            )
            processes = []
        for process in processes[comm.get_rank() : comm.get_rank() + 1]:
            set_rng_state(process["rng"])
            modules = dict(self._modules())
            for name, value in process["loss_normalizers"].items():
                if name in modules:
                    modules[name].loss_normalizer = value

    def _modules(self) -> list[tuple[str, nn.Module]]:
        parallel = isinstance(self.model, DistributedDataParallel)
        return list((self.model.module if parallel else self.model).named_modules())

    def _loss_normalizers(self) -> dict[str, float]:
        # Detectron2's dense detectors average the number of positives in a plain attribute,
        # which state_dict() does not hold.
        normalizers = {name: vars(m).get("loss_normalizer") for name, m in self._modules()}
        return {name: value for name, value in normalizers.items() if isinstance(value, float)}


def _text(losses: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} = {loss.item():.4g}" for name, loss in losses.items())


def _files(data: Any) -> str:
    items = data if isinstance(data, list) else []
    return ", ".join(str(x["file_name"]) for x in items if "file_name" in x) or "a batch"


def _is_unexpected(record: logging.LogRecord) -> bool:
    told = (FloatingPointError, BadImageError, OSError)
    return not (record.exc_info and isinstance(record.exc_info[1], told))
