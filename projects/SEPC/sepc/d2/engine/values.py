"""Table of the values of a config that can be checked before anything is built."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


@dataclass(frozen=True)
class Kind:
    """Kind of a value.

    Args:
        expected: what an error says was expected.
        read: value as it was meant, such as 1000 for 1e3; ValueError or TypeError if it is none.
        optional: whether null is one, too.
    """

    expected: str
    read: Callable[[Any], Any]
    optional: bool = False


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    return float(value) if isinstance(value, str) else value


def _whole(low: int, high: float = math.inf, *, optional: bool = False) -> Kind:
    def read(value: Any) -> int:
        number = _number(value)
        if not math.isfinite(number) or number != int(number) or not low <= number <= high:
            raise ValueError
        return int(number)

    text = f"of {low} or more" if high == math.inf else f"from {low} to {high:.0f}"
    return Kind(f"a whole number {text}", read, optional)


def _real(
    text: str, accepts: Callable[[float], bool], *, finite: bool = True, optional: bool = False
) -> Kind:
    def read(value: Any) -> float:
        number = _number(value)
        if (finite and not math.isfinite(number)) or not accepts(number):
            raise ValueError
        return number

    return Kind(f"a number {text}", read, optional)


def _instance(expected: str, kind: type, accepts: Callable[[Any], bool] = lambda x: True) -> Kind:
    def read(value: Any) -> Any:
        if not isinstance(value, kind) or not accepts(value):
            raise TypeError
        return value

    return Kind(expected, read)


def _read_names(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not OmegaConf.is_list(names) and not isinstance(names, (list, tuple)):
        raise TypeError
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError
    return value


def _read_device(value: Any) -> Any:
    try:
        return torch.device(value) and value
    except RuntimeError as error:
        raise ValueError from error


def _read_clipping(value: Any) -> Any:
    if not isinstance(value, Mapping) or not {"max_norm"} <= set(value) <= {
        "max_norm",
        "norm_type",
    }:
        raise ValueError
    return value


COUNT = _whole(1)
PERIOD = _whole(1)
PERIOD_OR_OFF = _whole(0)
SEED = _whole(-(2**31), 2**31)  # negative: a new one each time
SWITCH = _instance("true or false", bool)
SWITCH_OR_NONE = replace(SWITCH, expected="true, false or null", optional=True)
TEXT = _instance("text", str)
POSITIVE = _real("above 0", lambda x: x > 0)
NORM = _real("above 0", lambda x: x > 0, finite=False)
FACTOR = _real("of 0 or more", lambda x: x >= 0)
FACTOR_OR_NONE = _real("of 0 or more, or null", lambda x: x >= 0, optional=True)
SHARE = _real("from 0 to 1", lambda x: 0 <= x <= 1)
BELOW_ONE = _real("from 0 to below 1", lambda x: 0 <= x < 1)
NAMES = Kind("a name of a data set, or a list of names", _read_names)

#: Kind of a value by its key. A key that a config does not have is not checked.
KINDS: dict[str, Kind] = {
    "train.output_dir": _instance("a folder", str, bool),
    "train.init_checkpoint": TEXT,
    "train.max_iter": COUNT,
    "train.seed": SEED,
    "train.device": Kind("a device, such as cuda or cpu", _read_device),
    "train.log_period": PERIOD,
    "train.eval_period": PERIOD_OR_OFF,
    "train.checkpointer.period": PERIOD,
    "train.checkpointer.max_to_keep": _whole(1, optional=True),
    "train.accumulate": COUNT,
    "train.report": SWITCH,
    "train.ema.enabled": SWITCH,
    "train.ema.decay": BELOW_ONE,
    "train.ema.ramp": FACTOR,
    "train.channels_last": SWITCH_OR_NONE,
    "train.amp.enabled": SWITCH,
    "train.amp.evaluate": SWITCH,
    "train.amp.dtype": _instance(
        "float16 or bfloat16", str, lambda name: name in ("float16", "bfloat16")
    ),
    "train.ddp.broadcast_buffers": SWITCH,
    "train.ddp.find_unused_parameters": SWITCH,
    "train.ddp.fp16_compression": SWITCH,
    "train.grad_clip": Kind(
        "null, or max_norm and, if wanted, norm_type", _read_clipping, optional=True
    ),
    "train.grad_clip.max_norm": NORM,
    "train.grad_clip.norm_type": NORM,
    "dataloader.train.dataset.names": NAMES,
    "dataloader.train.total_batch_size": COUNT,
    "dataloader.train.num_workers": _whole(0),
    "dataloader.train.aspect_ratio_grouping": SWITCH,
    "dataloader.train.seed": _whole(-(2**31), 2**31, optional=True),
    "dataloader.skip_bad_images": SWITCH,
    "dataloader.test.dataset.names": NAMES,
    "dataloader.test.batch_size": COUNT,
    "dataloader.test.num_workers": _whole(0),
    "optimizer.lr": POSITIVE,
    "optimizer.momentum": BELOW_ONE,
    "optimizer.dampening": FACTOR,
    "optimizer.weight_decay": FACTOR,
    "optimizer.eps": POSITIVE,
    "optimizer.betas.0": BELOW_ONE,
    "optimizer.betas.1": BELOW_ONE,
    "optimizer.nesterov": SWITCH,
    "optimizer.amsgrad": SWITCH,
    "optimizer.params.base_lr": FACTOR_OR_NONE,
    "optimizer.params.weight_decay_norm": FACTOR_OR_NONE,
    "optimizer.params.weight_decay_bias": FACTOR_OR_NONE,
    "optimizer.params.bias_lr_factor": FACTOR_OR_NONE,
    "optimizer.params.lr_factor_func.offset": FACTOR,
    "lr_multiplier.warmup_length": SHARE,
    "lr_multiplier.warmup_factor": FACTOR,
    "lr_multiplier.scheduler.num_updates": COUNT,
    "lr_multiplier.scheduler.start_value": FACTOR,
    "lr_multiplier.scheduler.end_value": FACTOR,
    "lr_multiplier.scheduler.lengths.0": SHARE,
    "lr_multiplier.scheduler.lengths.1": SHARE,
    "lr_multiplier.scheduler.schedulers.1.start_value": FACTOR,
    "lr_multiplier.scheduler.schedulers.1.end_value": FACTOR,
    "model.num_classes": COUNT,
    "model.roi_heads.num_classes": COUNT,
    "model.test_score_thresh": SHARE,
    "model.test_nms_thresh": SHARE,
    "model.test_topk_candidates": COUNT,
    "model.max_detections_per_image": COUNT,
}
# What train_net.py reads of any config.
_REQUIRED = (
    "train.output_dir",
    "train.init_checkpoint",
    "train.max_iter",
    "train.device",
    "train.log_period",
    "train.eval_period",
    "train.checkpointer.period",
    "train.checkpointer.max_to_keep",
    "train.amp.enabled",
    "optimizer.params",
)
_GROUPS = (
    "train",
    "train.amp",
    "train.checkpointer",
    "train.ddp",
    "train.ema",
    "dataloader",
    "dataloader.train",
    "model",
    "optimizer",
    "optimizer.params",
    "lr_multiplier",
)


def check_values(cfg: DictConfig) -> None:
    """Check the values of a config against :data:`KINDS`; write back what was meant otherwise.

    ``1e4`` iterations become 10000, and a number that came as text becomes a number.

    Args:
        cfg: a whole config; it is changed in place.

    Raises:
        ValueError: one line with every key whose value is none of its kind.
    """
    problems = [
        f"{key}: expected settings by name, got {found!r}"
        for key in _GROUPS
        if not isinstance(found := _select(cfg, key, {}), Mapping)
    ]
    if not problems:
        problems = [f"{key}: expected a value, got none" for key in _REQUIRED if _absent(cfg, key)]
        problems += [p for key in KINDS if (p := _check(cfg, key)) is not None]
    if problems:
        raise ValueError("; ".join(problems))


def _check(cfg: DictConfig, key: str) -> str | None:
    if _absent(cfg, key):
        return None
    kind = KINDS[key]
    value = _select(cfg, key)
    try:
        meant = value if value is None and kind.optional else kind.read(value)
    except (TypeError, ValueError, OverflowError):
        return f"{key}: expected {kind.expected}, got {value!r}"
    if type(meant) is not type(value):
        OmegaConf.update(cfg, key, meant, force_add=True)
    return None


def _absent(cfg: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    group = _select(cfg, parent)
    if OmegaConf.is_list(group):
        return int(name) >= len(group)
    return not isinstance(group, Mapping) or name not in group


def _select(cfg: DictConfig, key: str, default: Any = None) -> Any:
    """Value at a key; of an interpolation, what it refers to."""
    try:
        return OmegaConf.select(cfg, key, default=default)
    except OmegaConfBaseException as error:
        raise ValueError(f"{key}: {str(error).splitlines()[0]}") from error
