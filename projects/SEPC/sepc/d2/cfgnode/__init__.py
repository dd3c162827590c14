"""SEPC for users of Detectron2's YAML configs: keys, and builders in Detectron2's registries.

    cfg = detectron2.config.get_cfg()
    add_sepc_config(cfg)
    cfg.merge_from_file("configs/yaml/retinanet_R_50_FPN_sepc_1x.yaml")
    trainer = detectron2.engine.DefaultTrainer(cfg)

Models have the parameters' names of the LazyConfig ones, so checkpoints fit both. With
``DETECTRON2_ENV_MODULE=sepc.d2.cfgnode`` in the environment Detectron2 itself imports this module
and adds the keys: its own ``tools/`` then take SEPC's YAML files unchanged.
"""

from .backbones import (
    build_resnet_fpn_pconv_backbone,
    build_resnet_rcnet_backbone,
    build_sepc_resnet_fpn_backbone,
)
from .detectors import (
    SEPCATSS,
    SEPCFCOS,
    SEPCFSAF,
    SEPCGFL,
    SEPCFreeAnchor,
    SEPCFSAFRetinaNet,
    SEPCRetinaNet,
)
from .keys import add_sepc_config, setup_environment

__all__ = [
    "SEPCATSS",
    "SEPCFCOS",
    "SEPCFSAF",
    "SEPCGFL",
    "SEPCFSAFRetinaNet",
    "SEPCFreeAnchor",
    "SEPCRetinaNet",
    "add_sepc_config",
    "build_resnet_fpn_pconv_backbone",
    "build_resnet_rcnet_backbone",
    "build_sepc_resnet_fpn_backbone",
    "setup_environment",
]
