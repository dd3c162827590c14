"""The torch-only core: pyramid convolution and norm, deformable convolution, stack and trunk."""

from .deform_conv import DeformConv2d, deform_conv2d
from .norms import (
    BatchChannelNorm,
    EstimatedBatchNorm2d,
    LevelBatchNorm,
    SyncBatchNorm2d,
    make_norm,
)
from .pyramid_conv import PyramidConv, SharedConv
from .pyramid_norm import PyramidNorm
from .stack import PyramidConvStack
from .towers import Towers
from .trunk import SEPC, build_sepc

__all__ = [
    "SEPC",
    "BatchChannelNorm",
    "DeformConv2d",
    "EstimatedBatchNorm2d",
    "LevelBatchNorm",
    "PyramidConv",
    "PyramidConvStack",
    "PyramidNorm",
    "SharedConv",
    "SyncBatchNorm2d",
    "Towers",
    "build_sepc",
    "deform_conv2d",
    "make_norm",
]
