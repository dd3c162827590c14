"""The configs of the package and their models by name, as ``detectron2.model_zoo`` has its own.

    cfg = model_zoo.get_config("COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py")
    model = model_zoo.get("COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py")

A name is that of a file below ``configs/``: LazyConfig (``.py``) or, in ``yaml/``, for Detectron2's
``DefaultTrainer``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, instantiate
from detectron2.modeling import build_model
from omegaconf import DictConfig
from torch import nn

from .config_files import find_config, is_cfgnode, load_cfgnode, shipped_folder
from .engine import Checkpointer, load_config

__all__ = ["get", "get_config", "get_config_file"]


def get_config_file(config_path: str) -> str:
    """Return the path of a config file of the package.

    Args:
        config_path: its name, such as "COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py".

    Raises:
        ValueError: if there is none of this name; close names are given.
    """
    folder = shipped_folder()
    file = folder / config_path
    if file.is_file():
        return str(file)
    names = [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".yaml") and path.relative_to(folder).parts[0] != "common"
    ]
    close = difflib.get_close_matches(config_path, names, n=3, cutoff=0.3)
    raise ValueError(
        f"expected the name of a config of the package, got {config_path!r}; "
        f"similar names: {', '.join(close) or 'none'}"
    )


def get_config(config_path: str, trained: bool = False) -> DictConfig | CfgNode:
    """Load a config of the package.

    Args:
        config_path: see :func:`get_config_file`.
        trained: there as in Detectron2; no trained weights are published, so that it has to be
            False. Weights of the authors are converted, see docs/checkpoints.md.

    Returns:
        a LazyConfig for ``.py``, Detectron2's ``CfgNode`` for ``.yaml``.

    Raises:
        ValueError: for another name, or trained weights.
    """
    if trained:
        raise ValueError(
            f"{config_path}: no trained weights are published, expected trained=False; weights of "
            "the authors are converted by `sepc convert`, see docs/checkpoints.md"
        )
    return load(get_config_file(config_path))


def get(config_path: str, trained: bool = False, device: str | None = None) -> nn.Module:
    """Build the model of a config of the package, with the weights that its training starts from.

    Args:
        config_path, trained: see :func:`get_config`.
        device: default that of the config, or the CPU where there is no GPU.

    Returns:
        the model, in training mode.

    Raises:
        ValueError: see :func:`get_config`.
        OSError: if the weights can't be downloaded.
    """
    cfg = get_config(config_path, trained)
    model = build(cfg, device)
    named = cfg.MODEL.WEIGHTS if isinstance(cfg, CfgNode) else cfg.train.init_checkpoint
    Checkpointer(model).load(named, checkpointables=[])
    return model


def load(path: str, overrides: Sequence[str] = ()) -> DictConfig | CfgNode:
    """Load a config file of either kind.

    Args:
        path: of a file, or a name of the package's.
        overrides: ``key=value`` for a LazyConfig, ``KEY VALUE ...`` for the older kind.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no config or an override is wrong.
    """
    path = find_config(path)
    return load_cfgnode(path, overrides) if is_cfgnode(path) else load_config(path, overrides)


def build(cfg: DictConfig | CfgNode, device: str | None = None) -> nn.Module:
    """Build the model of a config of either kind, without its weights.

    Args:
        cfg: as :func:`load` gives it.
        device: default that of the config, or the CPU where there is no GPU.

    Raises:
        ValueError: if Detectron2's registries lack a part that a YAML file names.
    """
    of_config = cfg.MODEL.DEVICE if isinstance(cfg, CfgNode) else cfg.train.device
    device = device or (of_config if torch.cuda.is_available() else "cpu")
    if not isinstance(cfg, CfgNode):
        return instantiate(cfg.model).to(device)
    cfg = cfg.clone()
    cfg.MODEL.DEVICE = device
    try:
        return build_model(cfg)
    except KeyError as error:  # of Detectron2's registries
        raise ValueError(str(error)) from error
