"""Checks and settings before anything is built."""

import json
import logging
import os
import tempfile

import torch
from detectron2.layers import NaiveSyncBatchNorm
from detectron2.utils import comm
from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ...files import atomic_write
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


def check_output_dir(path: str) -> None:
    """Make the folder and write a file into it.

    Raises:
        OSError: if either is not possible; names the folder.
    """
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise type(error)(f"cannot write to the output folder {path}: {error.strerror}") from error


def dataset_names(loader: DictConfig) -> list[str]:
    """Names of the registered data sets that the config of a loader asks for."""
    dataset = loader.get("dataset")
    names = dataset.get("names", []) if OmegaConf.is_dict(dataset) else []
    return [names] if isinstance(names, str) else list(names)


def seed_train_loader(cfg: DictConfig) -> None:
    """Let the training loader go by ``train.seed``, unless its config names a seed of its own.

    Config files name none: Detectron2's data benchmark, which reads them, has no such argument.
    """
    loader = cfg.dataloader.train
    target = locate(loader._target_) if isinstance(loader._target_, str) else loader._target_
    if target is build_train_loader:
        loader.setdefault("seed", cfg.train.seed)


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


def rewind_metrics(path: str, start_iter: int) -> None:
    """Make a ``metrics.json`` fit a training that starts at iteration ``start_iter``.

    What was written at or after it will be repeated and goes, as does a last line that a crash
    left incomplete. At 0 the whole file is set aside as ``metrics.json.old``.
    """
    if not os.path.isfile(path):
        return
    if start_iter == 0:
        os.replace(path, path + ".old")
        return
    kept = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                if json.loads(line)["iteration"] < start_iter:
                    kept.append(line)
            except (ValueError, KeyError):
                logger.warning(f"{path}: dropped an incomplete line")
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.writelines(kept)
