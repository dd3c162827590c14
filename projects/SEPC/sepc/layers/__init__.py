"""The torch-only core: pyramid convolution and norm, deformable convolution, stack and trunk."""

from .build import build_sepc
from .deform_conv import DeformConv2d, deform_conv2d
from .denoising import DenoisingEncoders
from .dyhead import DyHead
from .guided_losses import GuidedLosses
from .level_conv import LevelConv, SharedConv
from .norms import (
    BatchChannelNorm,
    EstimatedBatchNorm2d,
    InstanceBatchNorm,
    LevelBatchNorm,
    SyncBatchNorm2d,
    make_norm,
)
from .pyramid_conv import PyramidConv
from .pyramid_layer import PyramidLayer, make_layer
from .pyramid_norm import PyramidNorm
from .rcnet import RCNet
from .stack import PyramidConvStack
from .towers import Towers
from .trunk import SEPC

__all__ = [
    "SEPC",
    "BatchChannelNorm",
    "DeformConv2d",
    "DenoisingEncoders",
    "DyHead",
    "EstimatedBatchNorm2d",
    "GuidedLosses",
    "InstanceBatchNorm",
    "LevelBatchNorm",
    "LevelConv",
    "PyramidConv",
    "PyramidConvStack",
    "PyramidLayer",
    "PyramidNorm",
    "RCNet",
    "SharedConv",
    "SyncBatchNorm2d",
    "Towers",
    "build_sepc",
    "deform_conv2d",
    "make_layer",
    "make_norm",
]
