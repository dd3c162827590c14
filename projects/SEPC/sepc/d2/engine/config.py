"""Loader of a config file with overrides from the command line."""

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import LazyConfig, instantiate
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..datasets import register_coco_files
from .values import check_values
from .yaml_files import read_yaml

REQUIRED_KEYS = ("model", "dataloader", "train", "optimizer", "lr_multiplier")
DETECTRON2_OUTPUT_DIR = "./output"  # its default for every config


def load_config(path: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Load a LazyConfig file and apply ``key=value`` overrides.

    A ``.py`` file that leaves ``train.output_dir`` at Detectron2's default gets a folder of its
    own, see :func:`default_output_dir`. The data sets of ``dataloader.coco_files`` are registered,
    see :func:`~sepc.d2.datasets.register_coco_files`.

    Args:
        path: a ``.py`` file, or a ``.yaml`` file as a training writes it to its output folder.
        overrides: in Hydra's grammar, ``train.max_iter=100``. A key that the config does not have
            yet is written with a plus, ``+model.head.trunk.modulated=True``.

    Raises:
        FileNotFoundError: if there is no such file; close names are given.
        ValueError: if it is no config for training, an override is malformed or names no key, or
            a value is of another kind than :data:`.values.KINDS` says, or the name of one of
            ``dataloader.coco_files`` is taken; nothing of a YAML file has been run.
    """
    if not path:
        raise ValueError("no config: expected --config-file FILE")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"config file not found: {path}{_near(path)}")
    if os.path.splitext(path)[1] not in (".py", ".yaml", ".yml"):
        raise ValueError(f"expected a config file that ends in .py or .yaml, got {path}")
    cfg = _read(path)
    missing = [key for key in REQUIRED_KEYS if key not in cfg]
    if missing:
        raise ValueError(
            f"{path} is no config for training: expected {', '.join(REQUIRED_KEYS)}, "
            f"without {', '.join(missing)}"
        )
    if path.endswith(".py") and cfg.train.get("output_dir") == DETECTRON2_OUTPUT_DIR:
        cfg.train.output_dir = default_output_dir(path)
    _check_overrides(cfg, overrides)
    for override in overrides:
        cfg = _apply(cfg, override)
    check_values(cfg)
    loaders: Any = OmegaConf.to_container(cfg.dataloader)
    register_coco_files(loaders.get("coco_files", {}))
    return cfg


def _read(path: str) -> DictConfig:
    if not path.endswith(".py"):
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise ValueError(f"{path}: expected settings by name, got {type(content).__name__}")
        return OmegaConf.create(content, flags={"allow_objects": True})
    try:
        return LazyConfig.load(path)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not Python: {error} {error.__cause__ or ''}") from error


def build(cfg: DictConfig, key: str) -> Any:
    """Instantiate a part of a config.

    Args:
        cfg: a whole config.
        key: of the part, such as "optimizer".

    Raises:
        ValueError: if its class does not take what the config gives it; names the key.
    """
    try:
        return instantiate(OmegaConf.select(cfg, key))
    except (TypeError, AttributeError, AssertionError, LookupError, ArithmeticError) as error:
        problem = str(error) or type(error).__name__
        raise ValueError(f"{key} can't be built from its settings: {problem}") from error


def _apply(cfg: DictConfig, override: str) -> DictConfig:
    try:
        return LazyConfig.apply_overrides(cfg, [override])
    except (HydraException, OmegaConfBaseException) as error:
        key, _, value = override.partition("=")
        escaped = value.replace("'", r"\'")
        raise ValueError(
            f"the override {override!r} can't be read: {str(error).splitlines()[0]}; text with "
            f"""special characters goes in quotes, and these in the shell's: "{key}='{escaped}'\""""
        ) from error


def default_output_dir(path: str) -> str:
    """Output folder of a config by its place: ``./output/`` and its path below ``configs``.

    Files of ``COCO-Detection`` and ``COCO-InstanceSegmentation``, whose names differ, and files
    that lie in no folder ``configs`` go by their name alone.
    """
    *folders, _ = Path(path).resolve().parts
    below = folders[len(folders) - folders[::-1].index("configs") :] if "configs" in folders else []
    below = [folder for folder in below if not folder.startswith("COCO-")]
    return "/".join([DETECTRON2_OUTPUT_DIR, *below, Path(path).stem])


def _check_overrides(cfg: DictConfig, overrides: Sequence[str]) -> None:
    keys = set(_all_keys(OmegaConf.to_container(cfg, resolve=False)))
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or not key:
            raise ValueError(f"expected an override key=value, got {override!r}")
        if key.startswith("~"):
            raise ValueError(f"deleting a key is not supported: {override!r}")
        if key.startswith("+"):
            continue
        if key not in keys:
            close = difflib.get_close_matches(key, sorted(keys), n=1, cutoff=0.3)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"the config has no key {key!r}{hint} To add a new key write {'+' + override!r}"
            )


def _all_keys(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        items = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list):
        items = [(str(i), value) for i, value in enumerate(node)]
    else:
        return
    for key, value in items:
        yield prefix + key
        yield from _all_keys(value, f"{prefix}{key}.")


def _near(path: str) -> str:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f" (no folder {folder})"
    close = difflib.get_close_matches(os.path.basename(path), os.listdir(folder), n=1, cutoff=0.5)
    return f"; did you mean {os.path.join(folder, close[0])}?" if close else ""
