"""Keys of the node ``MODEL.SEPC``. All other keys are Detectron2's own.

The one-stage detectors read ``MODEL.RETINANET`` and ``MODEL.ANCHOR_GENERATOR``, whichever method
they are of: classes, levels, thresholds, focal loss and weights of deltas mean the same in all.
"""

from typing import Any

from detectron2.config import CfgNode

from ...layers.build import REMOVED, default_options


def add_sepc_config(cfg: CfgNode) -> None:
    """Add the node ``MODEL.SEPC`` with its defaults to Detectron2's config."""
    node = cfg.MODEL.SEPC = CfgNode()
    # Of sepc.build_sepc; "plain": the towers of MODEL.RETINANET.NUM_CONVS and NORM, without SEPC;
    # "dyhead": DyHead.
    # After FPN in two stages: pconv or pconv_ibn.
    node.VARIANT = "sepc"
    # NUM_STAGES, NORM, MODULATED and so on: every other option of sepc.build_sepc, in capitals.
    # NORM None is the variant's own, "" is no norm.
    node.update(trunk_defaults())
    # What build_sepc_resnet_fpn_backbone makes P6 from: "res5", or "p5", behind FPN
    node.P6_IN_FEATURE = "res5"
    # Of sepc.layers.rcnet.RCNet, which build_resnet_rcnet_backbone has in the place of FPN
    node.RCNET = CfgNode()
    node.RCNET.NUM_LEVELS = 5
    node.RCNET.NORM = "BN"  # "" for none
    node.RCNET.DEFORM_GROUPS = 2  # 0 for ordinary convolutions
    node.RCNET.CROSS_SCALE = True

    # Of DN-FPN, which build_sepc_resnet_fpn_backbone makes for a weight above 0
    node.DENOISING = CfgNode()
    node.DENOISING.WEIGHT = 0.0
    node.DENOISING.TEMPERATURE = 0.5

    # Arguments of sepc.layers.DyHead, in capitals
    node.DYHEAD = CfgNode()
    node.DYHEAD.NUM_BLOCKS = 6
    node.DYHEAD.COARSER = "resized"  # "misread": for weights of the public implementations

    # Arguments of sepc.layers.GuidedLosses, in capitals; without names there is none
    node.GUIDED_LOSSES = CfgNode()
    node.GUIDED_LOSSES.NAMES = []  # that of classification first
    node.GUIDED_LOSSES.WARMUP_ITERS = 100

    # Arguments of the detectors in sepc.d2, in capitals, where Detectron2 has no key for them
    node.FCOS = CfgNode()
    node.FCOS.CENTER_SAMPLING_RADIUS = 1.5  # strides
    node.ATSS = CfgNode()
    node.ATSS.TOPK = 9  # anchors per level and ground truth that are candidates
    node.ATSS.BOX_LOSS_WEIGHT = 2.0
    node.GFL = CfgNode()
    node.GFL.TOPK = 9  # as in ATSS
    node.GFL.BOX_LOSS_WEIGHT = 2.0
    node.GFL.NUM_BINS = 16  # strides, the largest distance from the center to a side
    node.GFL.QUALITY_FOCAL_LOSS_BETA = 2.0  # exponent
    node.GFL.DISTRIBUTION_LOSS_WEIGHT = 0.25
    node.FREE_ANCHOR = CfgNode()
    node.FREE_ANCHOR.BAG_SIZE = 50  # anchors per ground truth
    node.FREE_ANCHOR.IOU_THRESHOLD = 0.6  # below it a decoded box does not count as localized
    node.FREE_ANCHOR.BOX_LOSS_WEIGHT = 0.75
    node.FSAF = CfgNode()
    node.FSAF.POS_SCALE = 0.2  # sides of the effective area, over those of the box
    node.FSAF.NEG_SCALE = 0.2  # and of the area outside which all is background
    node.FSAF_RETINANET = CfgNode()
    node.FSAF_RETINANET.POS_SCALE = 0.2
    node.FSAF_RETINANET.NEG_SCALE = 0.5
    node.FSAF_RETINANET.ANCHOR_FREE_WEIGHT = 0.5  # of the losses of the anchor-free branch


def setup_environment() -> None:
    """Add the keys to Detectron2's defaults, which calls this for ``DETECTRON2_ENV_MODULE``."""
    from detectron2.config.defaults import _C

    add_sepc_config(_C)


def trunk_defaults() -> dict[str, Any]:
    """Defaults of the options of ``build_sepc``, by key in ``MODEL.SEPC``.

    Removed options are among them, as saved files hold their keys.
    """
    return {name.upper(): default for name, default in {**default_options(), **REMOVED}.items()}


def arguments_of(node: CfgNode) -> dict[str, Any]:
    """Arguments of a detector from the keys of its method's node."""
    return {key.lower(): value for key, value in node.items()}
