"""Scale-Equalizing Pyramid Convolution (SEPC, https://arxiv.org/abs/2005.03101).

Words and shapes, the same everywhere in the package:

===========  =====================================================================
N            images in a batch (0 is allowed)
L            levels of the feature pyramid, listed from fine to coarse
(Hl, Wl)     height and width of level l; a coarser level has half the size, rounded up
C            channels
A            anchors per position
K            object classes
R            positions x anchors of one image: sum over levels of Hl * Wl * A
M            ground-truth boxes of one image
===========  =====================================================================

A *pyramid* is a list of L tensors (N, C, Hl, Wl). The neighbors of a level are called its
*finer* and its *coarser* level. Boxes are (x1, y1, x2, y2) in pixels unless said otherwise.

What is importable from here needs torch and torchvision only, which are imported when a name is
first used: :mod:`sepc.export.preprocess` needs neither. The Detectron2 binding is :mod:`sepc.d2`,
the torchvision binding :mod:`sepc.tv`.
"""

from typing import TYPE_CHECKING

from . import moved
from .lazy import lazy_names

if TYPE_CHECKING:
    from .checkpoint import convert_state_dict
    from .inference import optimize_for_inference
    from .layers import SEPC, DeformConv2d, PyramidConv, PyramidConvStack, PyramidNorm, build_sepc

__version__ = "0.1.0"

moved.register()  # saved configs name modules of earlier versions

__all__ = [
    "SEPC",
    "DeformConv2d",
    "PyramidConv",
    "PyramidConvStack",
    "PyramidNorm",
    "build_sepc",
    "convert_state_dict",
    "optimize_for_inference",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "checkpoint": ("convert_state_dict",),
        "inference": ("optimize_for_inference",),
        "layers": (
            "SEPC",
            "DeformConv2d",
            "PyramidConv",
            "PyramidConvStack",
            "PyramidNorm",
            "build_sepc",
        ),
    },
)
