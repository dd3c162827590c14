"""What a training says on the terminal, shorter than its log file: Detectron2's words filtered."""

import argparse
import contextlib
import io
import logging
import os
import platform
import re
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import detectron2
import torch
from detectron2.config import LazyConfig
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import CommonMetricPrinter
from detectron2.utils.logger import setup_logger
from omegaconf import DictConfig

logger = logging.getLogger(__name__)

_LOGGERS = ("detectron2", "fvcore", "sepc")
_OF_THE_START = (
    "Rank of current process",
    "Environment info",
    "Command line arguments",
    "Contents of",
)
_OF_EACH_EVALUATION = (
    "Distribution of instances",
    "Evaluation results for",
    "Per-category",
    "[DatasetMapper]",
    "copypaste",
)


def set_up(cfg: DictConfig, args: argparse.Namespace) -> None:
    """Begin the log, save the config and seed the random numbers, as Detectron2's default_setup.

    Unlike there, an evaluation leaves the ``config.yaml`` of the training whose folder it is in,
    and the terminal gets a line in place of the tables of the environment and the config, which go
    to ``log.txt``.

    Args:
        cfg: of the job, whose ``train.output_dir`` can be written.
        args: with ``config_file`` and ``eval_only``.
    """
    folder, rank = cfg.train.output_dir, comm.get_rank()
    setup_logger(folder, distributed_rank=rank, name="fvcore")
    log = setup_logger(folder, distributed_rank=rank)
    setup_logger(folder, distributed_rank=rank, name="sepc")
    content = Path(args.config_file).read_text(encoding="utf-8", errors="replace")
    with _left_out(_OF_THE_START):
        log.info(f"Rank of current process: {rank}. World size: {comm.get_world_size()}")
        log.info(f"Environment info:\n{collect_env_info()}")
        log.info(f"Command line arguments: {args}")
        log.info(f"Contents of {args.config_file}:\n{content}")
    logger.info(environment_line(cfg.train.device))
    path = os.path.join(folder, "config.yaml")
    if comm.is_main_process() and not (args.eval_only and os.path.exists(path)):
        LazyConfig.save(cfg, path)
        log.info(f"Full config saved to {path}")
    seed_all_rng(None if cfg.train.seed < 0 else cfg.train.seed + rank)
    if not args.eval_only:
        torch.backends.cudnn.benchmark = cfg.train.get("cudnn_benchmark", False)


def environment_line(device: str) -> str:
    """Versions and device in one line: "Python 3.11.2, torch 2.5.1, ... on the CPU, 2 threads"."""
    versions = (
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"Detectron2 {detectron2.__version__}"
    )
    if torch.device(device).type == "cuda":
        count = comm.get_world_size()
        name = torch.cuda.get_device_name(device)
        return f"{versions}, CUDA {torch.version.cuda}, on {f'{count} x ' * (count > 1)}{name}"
    return f"{versions}, on the {device.upper()}, {torch.get_num_threads()} thread(s)"


@contextlib.contextmanager
def brief_evaluation(*, brief: bool) -> Iterator[None]:
    """Keep the tables of an evaluation, and what COCO's code prints, off the terminal.

    They stay in ``log.txt``.

    Args:
        brief: False shows them, for the evaluation at the end of a training.
    """
    if not brief:
        yield
        return
    # the loggers' handlers keep the stream that they were given
    with _left_out(_OF_EACH_EVALUATION), contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def _left_out(beginnings: tuple[str, ...]) -> Iterator[None]:
    """Keep messages that begin so off the terminal."""

    def shown(record: logging.LogRecord) -> bool:
        return not record.getMessage().lstrip().startswith(beginnings)

    handlers = {
        handler
        for name in _LOGGERS
        for handler in logging.getLogger(name).handlers
        if getattr(handler, "stream", None) is sys.stdout
    }
    for handler in handlers:
        handler.addFilter(shown)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(shown)


class ProgressPrinter(CommonMetricPrinter):
    """Detectron2's printer of losses and remaining time, which counts "iteration x of N" from 1."""

    def __init__(self, max_iter: int) -> None:
        super().__init__(max_iter)
        plain = logging.getLogger("detectron2.utils.events")
        self.logger: Any = _Counted(plain, {"max_iter": max_iter})


class _Counted(logging.LoggerAdapter):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, Any]:
        total = (self.extra or {})["max_iter"]
        return re.sub(
            r"\biter: (\d+)", lambda found: f"iteration {int(found[1]) + 1} of {total}", str(msg)
        ), kwargs
