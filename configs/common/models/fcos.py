"""Detectron2's FCOS on the backbone of the authors' RetinaNet."""

from detectron2.modeling.meta_arch.fcos import FCOSHead

from sepc.d2.detectors.fcos import FCOS

from .retinanet import model

model._target_ = FCOS
del model.anchor_generator
del model.box2box_transform
del model.anchor_matcher
del model.smooth_l1_beta
del model.input_format
# P6 from P5 (https://arxiv.org/abs/2006.09214, Sec 2.2), as in Detectron2's own FCOS
model.backbone.top_block.in_feature = "p5"
model.backbone.top_block.in_channels = "${..out_channels}"
model.head._target_ = FCOSHead
del model.head.num_anchors
model.head.norm = "GN"
model.max_distance = 8.0  # from a point to the farthest side of its box, in strides of its level
model.test_score_thresh = 0.2  # of the root of class score times centerness
model.test_nms_thresh = 0.6
