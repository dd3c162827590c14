"""Detectron2's CfgNode of the YAML files, small enough for tests."""

from detectron2.config import CfgNode, get_cfg

from sepc.d2.cfgnode import add_sepc_config

from .helpers import CONFIGS

YAML = sorted((CONFIGS / "yaml").glob("*.yaml"))
SMALL = ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.FPN.OUT_CHANNELS", 32]


def path_of(detector: str):
    """The file of a detector with SEPC, or after FPN with pyramid convolution."""
    (path,) = (
        x for x in YAML if x.stem in (f"{detector}_R_50_FPN_{y}_1x" for y in ("sepc", "pconv"))
    )
    return path


DENSE = [
    path_of(x)
    for x in ("retinanet", "free_anchor", "fsaf", "fsaf_retinanet", "fcos", "atss", "gfl")
]


def read(path, *overrides, small=SMALL) -> CfgNode:
    cfg = get_cfg()
    add_sepc_config(cfg)
    cfg.merge_from_file(str(path))
    cfg.merge_from_list([*small, *overrides])
    return cfg
