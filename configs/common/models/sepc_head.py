"""SEPC as the head of a RetinaNet; the variant is one word."""

from detectron2.config import LazyCall as L

from sepc import build_sepc
from sepc.d2.head import SEPCHead

head = L(SEPCHead)(
    trunk=L(build_sepc)(variant="sepc", in_channels="${...backbone.out_channels}"),
    num_classes="${..num_classes}",
    num_anchors=9,
    prior_prob=0.01,
)
