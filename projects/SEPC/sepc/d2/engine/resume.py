"""Continuation of a training: where from, with which settings, and what differs from before."""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from detectron2.utils.registry import _convert_target_to_string
from omegaconf import DictConfig, OmegaConf

from .checkpoint import Checkpointer

logger = logging.getLogger(__name__)

# What a training can't change on its way: its random numbers and its place in the stream of images
# come from the checkpoint, and the state of the optimizer has no meaning for another one.
_KEPT = (
    "train.seed",
    "dataloader.train.seed",
    "dataloader.train.total_batch_size",
    "dataloader.train.dataset.names",
    "optimizer._target_",
)
_PLACES = ("train.output_dir", "train.init_checkpoint", "train.device", "datasets.")
_NONE = "none"


class Settings:
    """Settings of a training as its checkpoints note them.

    Args:
        cfg: a whole config, before a model is put into it.
    """

    def __init__(self, cfg: DictConfig) -> None:
        flat = _flat(OmegaConf.to_container(cfg, resolve=False))
        self._settings = {key: value for key, value in flat if not key.startswith(_PLACES)}
        self.changes: list[str] | None = None  # since the checkpoint, None if it noted none

    def state_dict(self) -> dict[str, Any]:
        return dict(self._settings)

    def load_state_dict(self, before: Mapping[str, Any]) -> None:
        """Compare with what a checkpoint noted.

        Raises:
            ValueError: for a change of what a training keeps.
        """
        now = self._settings
        keys = [*now, *(key for key in before if key not in now)]
        changes = {
            key: f"{key} {before.get(key, _NONE)} -> {now.get(key, _NONE)}"
            for key in keys
            if before.get(key, _NONE) != now.get(key, _NONE)
        }
        if refused := [changes[key] for key in _KEPT if key in changes]:
            raise ValueError(
                f"--resume: a training keeps {', '.join(refused)}: leave it as it was, or start "
                "another training in a folder of its own, with train.init_checkpoint for its "
                "weights"
            )
        self.changes = list(changes.values())


def continue_or_start(cfg: DictConfig, checkpointer: Checkpointer, *, resume: bool) -> int:
    """Load what there is to load, and tell what it is.

    Args:
        cfg: ``train.init_checkpoint`` is where a training starts that is not continued.
        checkpointer: with a ``trainer`` and its ``settings``.
        resume: whether to go on from the last checkpoint of the folder, if it has one.

    Returns:
        the iteration to start at.

    Raises:
        ValueError: to resume, if the folder has checkpoints and does not say which is the last, the
            last one is of no training, or what a training keeps has changed.
    """
    last, names = checkpointer.get_checkpoint_file(), checkpointer.saved_names()
    folder = checkpointer.save_dir
    if resume and last:
        start = _continue(checkpointer, last)
        logger.info(f"Continuing at iteration {start} from {last}")
        return start
    if resume and names:
        marker = os.path.join(folder, "last_checkpoint")
        raise ValueError(
            f"--resume: {folder} has checkpoints and no file last_checkpoint. To continue the "
            f"newest, write its name, {names[-1]}, to {marker}; to start anew choose another "
            "train.output_dir"
        )
    if resume:
        logger.warning(f"--resume: no checkpoint in {folder}, starting at iteration 0")
    checkpointer.load(cfg.train.init_checkpoint, checkpointables=[], allow_other_classes=True)
    if last or names:
        logger.warning(f"Starting anew over {last or names[-1]}; --resume would have continued it")
    return 0


def _continue(checkpointer: Checkpointer, path: str) -> int:
    """Load the last checkpoint; the optimizer keeps the options that the config gives it."""
    settings: Settings = checkpointer.checkpointables["settings"]
    optimizer = checkpointer.checkpointables["trainer"].optimizer
    options = [{k: v for k, v in x.items() if k != "params"} for x in optimizer.param_groups]
    iteration = checkpointer.load(path, strict=True).get("iteration")
    if not isinstance(iteration, int):
        raise ValueError(f"{path} holds weights alone, and no training to continue")
    changes = _set_options(optimizer, options)
    if settings.changes is None:
        logger.warning(f"{path} does not note its settings: other changes than these are not told")
    else:
        changes = settings.changes
    if changes:
        logger.warning(f"Changed from iteration {iteration + 1} on: {', '.join(changes)}")
    return iteration + 1


def _set_options(optimizer: torch.optim.Optimizer, options: list[dict[str, Any]]) -> list[str]:
    """Set options such as lr, which loading has set to the old ones; return what that changes."""
    changes = []
    for group, own in zip(optimizer.param_groups, options, strict=True):
        before = {**group, "lr": group.get("initial_lr", group["lr"])}
        for name, value in own.items():
            if _plain(before[name]) != _plain(value):
                changes.append(f"{name} {before[name]} -> {value}")
        group.update(own, initial_lr=own["lr"])
    return list(dict.fromkeys(changes))


def _flat(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Values by their dotted keys, as plain numbers and text."""
    items = list(enumerate(node)) if isinstance(node, list) else []
    if isinstance(node, dict):
        items = list(node.items())
    elif not any(isinstance(value, (dict, list)) for _, value in items):
        yield key, _plain_value(node)
        return
    for name, value in items:
        yield from _flat(value, f"{key}.{name}" if key else str(name))


def _plain_value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return str([_plain_value(x) for x in value])
    return _convert_target_to_string(value) if callable(value) else repr(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value
