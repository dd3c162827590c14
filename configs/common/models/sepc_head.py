"""SEPC as the head of a detector; the variant is one word, the norm another."""

from detectron2.config import LazyCall as L

from sepc import build_sepc
from sepc.d2.detectors.heads import CenternessHead, FSAFHead, SEPCHead

trunk = L(build_sepc)(variant="sepc", in_channels="${...backbone.out_channels}", num_levels=5)

# of RetinaNet and FreeAnchor
head = L(SEPCHead)(trunk=trunk, num_classes="${..num_classes}", num_anchors=9, prior_prob=0.01)

# of FCOS
centerness_head = L(CenternessHead)(trunk=trunk, num_classes="${..num_classes}", prior_prob=0.01)

# of FSAF beside RetinaNet
two_branch_head = L(FSAFHead)(
    trunk=trunk, num_classes="${..num_classes}", num_anchors=9, prior_prob=0.01
)
