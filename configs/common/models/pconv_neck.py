"""Pyramid convolutions after FPN; ``fpn`` is the backbone that they take the place of."""

from detectron2.config import LazyCall as L

from sepc.d2.backbones.pconv_neck import PyramidConvBackbone

neck = L(PyramidConvBackbone)(
    fpn=None,
    out_channels="${.fpn.out_channels}",
    num_stages=4,
    norm=None,
)
