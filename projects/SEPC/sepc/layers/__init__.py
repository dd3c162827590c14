"""The torch-only core: pyramid convolution and norm, deformable convolution, stack and trunk."""

from .deform_conv import DeformConv2d, deform_conv2d
from .pyramid_conv import PyramidConv, SharedConv
from .pyramid_norm import PyramidNorm, make_norm
from .stack import PyramidConvStack
from .towers import Towers
from .trunk import SEPC, build_sepc

__all__ = [
    "SEPC",
    "DeformConv2d",
    "PyramidConv",
    "PyramidConvStack",
    "PyramidNorm",
    "SharedConv",
    "Towers",
    "build_sepc",
    "deform_conv2d",
    "make_norm",
]
