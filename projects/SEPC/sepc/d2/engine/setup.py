"""Checks and settings before anything is built."""

import contextlib
import functools
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping

import torch
from detectron2.layers import NaiveSyncBatchNorm
from detectron2.utils import comm
from detectron2.utils.registry import locate
from omegaconf import DictConfig
from torch import nn

from ...files import errors_named, lock_folder, remove_partial_files
from ...inference import has_fast_bfloat16
from ...layers import EstimatedBatchNorm2d, LevelBatchNorm, PyramidNorm, SyncBatchNorm2d
from .data_stream import build_train_loader

logger = logging.getLogger(__name__)

SMALL_BATCH = 4


def number_of_processes(num_gpus: int) -> int:
    """Number of processes to start on this machine for ``--num-gpus``.

    Without a GPU, 0 and 1 mean one process on the CPU, and more mean as many CPU processes.

    Raises:
        ValueError: if the machine has GPUs, but fewer than asked for.
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else None
    if num_gpus < 0 or (available is not None and num_gpus > available):
        raise ValueError(f"--num-gpus: expected 0 to {available or 'any'}, got {num_gpus}")
    return max(num_gpus, 1)


def use_available_device(cfg: DictConfig, *, num_gpus: int) -> str | None:
    """Set ``train.device`` and the number of threads to what the machine has.

    Returns:
        a line that says what was changed, None if nothing was.
    """
    wanted = torch.device(cfg.train.device)
    if wanted.type == "cuda" and num_gpus and torch.cuda.is_available():
        return None
    cfg.train.device = "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (cores or 1) // comm.get_local_size()))
    if wanted.type == "cpu":
        return None
    reason = "--num-gpus 0" if not num_gpus else "No GPU found"
    return f"{reason}: using the CPU with {torch.get_num_threads()} threads"


def amp_dtype(cfg: DictConfig, *, evaluation: bool = False) -> torch.dtype | None:
    """Precision of autocast by ``train.amp``, None if it is off; always bfloat16 on a CPU.

    Args:
        cfg: with ``train.amp.enabled``, ``evaluate`` and ``dtype``.
        evaluation: whether it is for an evaluation, which ``evaluate`` turns on, or for training.

    Raises:
        ValueError: for a ``train.amp.dtype`` other than float16 and bfloat16.
    """
    if not cfg.train.amp.get("evaluate" if evaluation else "enabled"):
        return None
    name = cfg.train.amp.get("dtype", "float16")
    if name not in ("float16", "bfloat16"):
        raise ValueError(f"train.amp.dtype: expected float16 or bfloat16, got {name!r}")
    return torch.float16 if name == "float16" and cfg.train.device != "cpu" else torch.bfloat16


def warn_slow_bfloat16(cfg: DictConfig) -> None:
    """Warn in one line where mixed precision is on and the CPU has no units for bfloat16."""
    wanted = amp_dtype(cfg) or amp_dtype(cfg, evaluation=True)
    if wanted and torch.device(cfg.train.device).type == "cpu" and not has_fast_bfloat16():
        logger.warning(
            "this CPU computes in bfloat16 far slower than in float32: train.amp.enabled=False and "
            "train.amp.evaluate=False are faster"
        )


def memory_layout(cfg: DictConfig) -> torch.memory_format:
    """Layout of maps and weights by ``train.channels_last``; None, or no such key: on a CPU."""
    wanted = cfg.train.get("channels_last")
    if wanted is None:
        wanted = torch.device(cfg.train.device).type == "cpu"
    return torch.channels_last if wanted else torch.preserve_format


def check_output_dir(path: str) -> str:
    """Make the folder and write a file into it.

    Args:
        path: of the config; a leading ``~`` is the home folder.

    Returns:
        path to use in its place.

    Raises:
        ValueError: if it can be the name of no folder, or is an address.
        OSError: if it can't be made or written; names the folder.
    """
    path = os.path.expanduser(path)
    if "://" in path:
        raise ValueError(f"train.output_dir: expected a folder of this machine, got {path!r}")
    if path.rstrip("/").endswith((".txt", ".log")):
        # Detectron2's logger takes such a name for that of its file
        raise ValueError(f"train.output_dir: expected no name of a text file, got {path!r}")
    try:
        path.encode()  # logs name it
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise type(error)(f"cannot write to the output folder {path}: {reason}") from error
    except RecursionError as error:
        raise OSError(f"cannot write to the output folder {path}: File name too long") from error
    except ValueError as error:  # a null byte, or text that is no name for the file system
        raise ValueError(f"train.output_dir: expected a folder, got {path!r}: {error}") from error
    return path


def claim_output_dir(path: str) -> None:
    """Keep other trainings out of the folder, and clear what a killed one left half-written.

    Raises:
        OSError: if another training is writing to it.
    """
    lock_folder(path)
    if removed := remove_partial_files(path):
        logger.info(f"Removed what a stopped process left half-written: {', '.join(removed)}")


def stop_on_full_disk(path: str) -> None:
    """Let a log file of Detectron2's loggers that can't be written stop the program.

    Otherwise each message would print a traceback and be lost.

    Args:
        path: of the log file.
    """
    for _, handler in _handlers(path):
        handler.handleError = functools.partial(_stop, path)  # type: ignore[method-assign]


def _handlers(path: str) -> Iterator[tuple[logging.Logger, logging.StreamHandler]]:
    for owner in map(logging.getLogger, ("detectron2", "fvcore", "sepc")):
        for handler in owner.handlers:
            stream = getattr(handler, "stream", None)
            if isinstance(handler, logging.StreamHandler) and getattr(stream, "name", "") == path:
                yield owner, handler


def _stop(path: str, record: logging.LogRecord) -> None:
    """Handle an error of a log file, in place of ``logging.Handler.handleError``."""
    error = sys.exc_info()[1]
    for owner, handler in list(_handlers(path)):
        owner.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.stream.close()
    with errors_named(path):
        raise error or RuntimeError(record)


def dataset_names(loader: DictConfig | None) -> list[str]:
    """Names of the registered data sets that the config of a loader asks for."""
    dataset = {} if loader is None else loader.get("dataset")
    names = dataset.get("names", []) if isinstance(dataset, Mapping) else []
    return [names] if isinstance(names, str) else list(names)


def complete_train_loader(cfg: DictConfig) -> None:
    """Let the training loader go by ``train.seed`` and ``dataloader.skip_bad_images``.

    Unless its config names them itself. Config files do not: Detectron2's data benchmark, which
    reads them, has no such arguments.
    """
    loader = cfg.dataloader.train
    target = locate(loader._target_) if isinstance(loader._target_, str) else loader._target_
    if target is build_train_loader:
        loader.setdefault("seed", cfg.train.seed)
        loader.setdefault("skip_bad_images", cfg.dataloader.get("skip_bad_images", False))


def warn_small_batch(model: nn.Module, images: int, *, accumulate: int = 1) -> None:
    """Warn in one line where batch statistics over the pyramid come from fewer than four images.

    Args:
        model: in training mode.
        images: per process and batch.
        accumulate: batches per step. It is no help: statistics are those of each batch.
    """
    norms = [m.shared for m in model.modules() if isinstance(m, PyramidNorm)]
    if images >= SMALL_BATCH or not any(_takes_statistics_alone(norm) for norm in norms):
        return
    logger.warning(
        f"{images} image(s) per process"
        + (" and batch, which accumulation does not change" if accumulate > 1 else "")
        + f": iBN's batch statistics want {SMALL_BATCH} or more. Raise "
        "dataloader.train.total_batch_size, or set +model.head.trunk.norm (after FPN: "
        "model.backbone.norm) to GN or BCN, which one image is enough for, or over processes "
        "to SyncBN; tools/calibrate_norm.py makes the running statistics of a trained model precise"
    )


def _takes_statistics_alone(norm: nn.Module) -> bool:
    """Whether a norm takes statistics of this process's batch: not synchronized, not frozen."""
    if isinstance(norm, LevelBatchNorm):
        return any(_takes_statistics_alone(level) for level in norm)
    synchronized = isinstance(norm, (SyncBatchNorm2d, nn.SyncBatchNorm, NaiveSyncBatchNorm))
    estimated = isinstance(norm, EstimatedBatchNorm2d)
    is_bn = isinstance(norm, nn.BatchNorm2d) and not (synchronized or estimated)
    return is_bn and norm.training
