"""ATSS as UniverseNet trains it; without SEPC, towers with group norm."""

from detectron2.config import LazyCall as L

from sepc.d2.detectors.atss import ATSS
from sepc.d2.detectors.heads import CenternessHead
from sepc.layers import Towers

from .retinanet import model

model._target_ = ATSS
del model.anchor_matcher
del model.box2box_transform
del model.smooth_l1_beta
del model.input_format
model.backbone.top_block.in_feature = "p5"  # mmdetection's add_extra_convs="on_output"
model.backbone.top_block.in_channels = "${..out_channels}"
# one square of 8 strides, centered on the corner of its cell
model.anchor_generator.sizes = [[64], [128], [256], [512], [1024]]
model.anchor_generator.aspect_ratios = [1.0]
model.head = L(CenternessHead)(
    trunk=L(Towers)(
        in_channels="${...backbone.out_channels}", num_convs=4, norm="GN", num_levels=5
    ),
    num_classes="${..num_classes}",
    prior_prob=0.01,
    num_scales=5,
)
model.delta_weights = [10.0, 10.0, 5.0, 5.0]
model.topk = 9
model.box_loss_weight = 2.0
model.test_score_thresh = 0.05
model.test_nms_thresh = 0.6
