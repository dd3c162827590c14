"""The torchvision binding: the SEPC trunk in torchvision's RetinaNet, FCOS, ATSS and SSD."""

from .atss import ATSS
from .export import ExportableDetector, detect
from .heads import SEPCFCOSHead, SEPCRetinaNetHead, SEPCSSDHead
from .small import (
    HalfWidthResNet10,
    OwnSizeTransform,
    build_small_atss,
    build_small_retinanet,
)

ExportableRetinaNet = ExportableDetector  # its name before it took FCOS

__all__ = [
    "ATSS",
    "ExportableDetector",
    "ExportableRetinaNet",
    "HalfWidthResNet10",
    "OwnSizeTransform",
    "SEPCFCOSHead",
    "SEPCRetinaNetHead",
    "SEPCSSDHead",
    "build_small_atss",
    "build_small_retinanet",
    "detect",
]
