"""FSAF's anchor-free branch beside RetinaNet's anchor-based one, as in the FSAF paper."""

from detectron2.config import LazyCall as L

from sepc.d2.detectors.fsaf import FSAFRetinaNet
from sepc.d2.detectors.heads import FSAFHead
from sepc.layers import Towers

from .retinanet import model

model._target_ = FSAFRetinaNet
model.head = L(FSAFHead)(
    trunk=L(Towers)(
        in_channels="${...backbone.out_channels}", num_convs=4, norm=None, num_levels=5
    ),
    num_classes="${..num_classes}",
    num_anchors=9,
    prior_prob=0.01,
)
model.pos_scale = 0.2
model.neg_scale = 0.5
model.anchor_free_weight = 0.5
