"""The anchor-free branch of FSAF as the authors train it; without SEPC, towers without norm."""

from detectron2.config import LazyCall as L

from sepc.d2.detectors.fsaf import FSAF
from sepc.d2.detectors.heads import SEPCHead
from sepc.layers import Towers

from .retinanet import model

model._target_ = FSAF
del model.anchor_generator
del model.anchor_matcher
del model.box2box_transform
del model.smooth_l1_beta
del model.input_format
model.head = L(SEPCHead)(
    trunk=L(Towers)(
        in_channels="${...backbone.out_channels}", num_convs=4, norm=None, num_levels=5
    ),
    num_classes="${..num_classes}",
    num_anchors=1,
    prior_prob=0.01,
    box_bias=1.0,  # the ReLU of the distances starts open
)
model.pos_scale = 0.2
model.neg_scale = 0.2  # the paper: 0.5
model.test_score_thresh = 0.05
model.test_nms_thresh = 0.5
