"""COCO evaluation of a model in training or on its own."""

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from detectron2.config import instantiate
from detectron2.evaluation import COCOEvaluator, inference_on_dataset, print_csv_format
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm
from omegaconf import DictConfig, ListConfig
from torch import nn
from torch.utils.data import DataLoader

from ...metrics import append_rows
from ...signals import StopSignals, stops_blocked
from ..coco_evaluator import check_faster_coco_eval
from .agreement import highest
from .bad_images import BadImage, BadImages, usable
from .hooks import TrainingStopped
from .metrics import has_evaluation
from .rng import preserved_rng
from .setup import amp_dtype, dataset_names

logger = logging.getLogger(__name__)


def has_test_data(cfg: DictConfig) -> bool:
    """Whether a config has something to evaluate on: a test loader, an evaluator and data."""
    loaders = cfg.dataloader
    if loaders.get("test") is None or loaders.get("evaluator") is None:
        return False
    dataset = loaders.test.get("dataset")
    by_name = isinstance(dataset, DictConfig) and "names" in dataset
    return not by_name or bool(dataset_names(loaders.test))


def check_evaluation(cfg: DictConfig) -> None:
    """Check that the evaluator of a config has one data set to score, and give it its name.

    Raises:
        ValueError: if it has several: COCO's metrics are those of one annotation file; or if it
            wants a package that is not installed.
    """
    if not has_test_data(cfg):
        cfg.dataloader.evaluator = None  # it may refer to the test set that is not there
        return
    evaluator = cfg.dataloader.evaluator
    if not isinstance(evaluator, DictConfig):
        return
    if evaluator.get("faster_coco_eval"):
        check_faster_coco_eval()
    names = evaluator.get("dataset_name")
    if not isinstance(names, ListConfig):
        return
    if len(names) != 1:
        raise ValueError(
            "dataloader.test.dataset.names: the evaluator scores one data set, "
            f"got {', '.join(names)}; evaluate on each by itself"
        )
    evaluator.dataset_name = names[0]


def evaluate(
    cfg: DictConfig,
    model: nn.Module,
    stop_signals: StopSignals | None = None,
    detections: str | None = None,
) -> dict[str, Any]:
    """Run ``cfg.dataloader.evaluator`` over ``cfg.dataloader.test``, in all processes together.

    In float32, or with ``train.amp.evaluate`` in the precision of ``train.amp``.

    The random states are left as they were, so that training does not depend on how often it is
    evaluated. Where processes differ in their running statistics, those of the main process
    count: they are what a checkpoint holds.

    Args:
        cfg: a whole config.
        model: to evaluate.
        stop_signals: end the evaluation after the batch in which they come.
        detections: folder to write them to, where the evaluator is Detectron2's for COCO and its
            config names none.

    Returns:
        task to metric to value in percent; empty in all processes but the main one, and without
        data to evaluate on.

    Raises:
        TrainingStopped: after a signal to any process, in all of them.
        BadImageError: if an image can't be used and is not to be skipped, in all processes.
    """
    if not has_test_data(cfg):
        logger.warning("No validation set in dataloader.test: nothing is evaluated")
        return {}
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
    precision = amp_dtype(cfg, evaluation=True)
    device = torch.device(cfg.train.device)
    with preserved_rng(), torch.autocast(device.type, precision, enabled=precision is not None):
        batches = _Batches(instantiate(cfg.dataloader.test), device, stop_signals)
        results = inference_on_dataset(
            model,
            batches,
            _evaluator(cfg, detections),
            callbacks={"on_end": batches.agree},
        )
    if comm.is_main_process():
        print_csv_format(results)
    return results or {}


def _evaluator(cfg: DictConfig, detections: str | None) -> Any:
    evaluator = instantiate(cfg.dataloader.evaluator)
    if isinstance(evaluator, COCOEvaluator) and evaluator._output_dir is None:
        evaluator._output_dir = detections
    return evaluator


def make_up_evaluation(
    cfg: DictConfig, evaluate: Callable[[], dict[str, Any]], *, start: int, ended: bool
) -> dict[str, Any]:
    """Evaluate at a resume, where the training was killed between a checkpoint and its evaluation.

    Args:
        cfg: a whole config; ``metrics.json`` of its output folder tells, and is told.
        evaluate: the model as it was loaded from the checkpoint.
        start: iterations that are done.
        ended: whether the training was at its end then.

    Returns:
        what ``evaluate`` returns, empty if nothing was missing.
    """
    period = cfg.train.eval_period
    if not ended and (start == 0 or period == 0 or start % period):
        return {}
    path = os.path.join(cfg.train.output_dir, "metrics.json")
    iteration = start if ended else start - 1  # as Detectron2 numbers them
    missing = has_test_data(cfg) and not has_evaluation(path, iteration)
    if not comm.all_gather(missing)[0]:  # as the main process finds it
        return {}
    logger.info(f"Making up the evaluation after {start} iterations")
    results = evaluate()
    if results:
        append_rows(path, [{**flatten_results_dict(results), "iteration": iteration}])
    return results


class _Batches:
    """Batches of a test loader until a signal, or an image that can't be used and must be."""

    def __init__(
        self, loader: DataLoader, device: torch.device, stop_signals: StopSignals | None
    ) -> None:
        self._loader = loader
        self._device = device
        self._stop_signals = stop_signals
        self._bad: list[BadImage] = []

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        with stops_blocked():  # while loader processes start, which then see to it themselves
            loaded = iter(self._loader)
        for batch, bad in map(usable, loaded):
            self._bad += bad
            if self._received() or not all(x.skip for x in bad):
                return
            if batch:
                yield batch

    def _received(self) -> int:
        return self._stop_signals.received if self._stop_signals else 0

    def agree(self) -> None:
        """Go on in all processes or in none, before they gather their detections."""
        signum = highest(self._received(), self._device)
        if signum:
            raise TrainingStopped(signum)
        bad_images = BadImages(self._device)
        bad_images.add(self._bad)
        bad_images.report("which count as images without detections")
