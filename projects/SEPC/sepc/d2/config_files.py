"""The config files that come with the package: found by name, and told apart by their kind."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

import yaml
from detectron2.config import CfgNode, get_cfg

logger = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder() -> Path:
    """The folder of the configs: in an installed package, or in the checkout that it runs from."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parents[2] / "configs"


def find_config(path: str) -> str:
    """Find a config file; a shipped one, which the log says, if there is none at this path.

    Args:
        path: of a file, or a name below the folder of the configs, with or without ``configs/``
            before it.

    Returns:
        path of the file; the path that was given, if there is none.
    """
    if os.path.isfile(path) or os.path.isabs(path) or ".." in Path(path).parts:
        return path
    shipped = shipped_folder() / Path(path).as_posix().removeprefix("configs/")
    if not shipped.is_file():
        return path
    logger.warning(f"{path} is no file here: using the one of the package, {shipped}")
    return str(shipped)


def is_cfgnode(config_file: str) -> bool:
    """Whether it is a YAML file of the older kind, which begins with ``MODEL`` or ``_BASE_``."""
    path = Path(config_file)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    return re.search(rb"^(_BASE_|MODEL)\s*:", path.read_bytes(), re.M) is not None


def load_cfgnode(path: str, overrides: Sequence[str] = ()) -> CfgNode:
    """Load a YAML file of the older kind, with SEPC's keys.

    Args:
        path: of the file.
        overrides: ``KEY VALUE ...``.

    Raises:
        ValueError: if it or an override is malformed, or has a key that there is not.
    """
    from .cfgnode import add_sepc_config  # whose detectors need the engine, which needs this

    cfg = get_cfg()
    add_sepc_config(cfg)
    try:
        cfg.merge_from_file(path, allow_unsafe=False)
        cfg.merge_from_list(list(overrides))
    except (
        *(KeyError, AssertionError, AttributeError, TypeError),
        *(yaml.YAMLError, UnicodeDecodeError),
    ) as error:
        raise ValueError(f"{path}: {error}") from error
    return cfg
