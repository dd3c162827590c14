"""Detectron2's Cascade Mask R-CNN, with the channels of the backbone instead of a literal 256."""

from detectron2 import model_zoo

from .mask_rcnn import model

_cascade = model_zoo.get_config("common/models/cascade_rcnn.py").model.roi_heads
_cascade.mask_head = model.roi_heads.mask_head
_cascade.box_heads[0].input_shape.channels = "${.....backbone.out_channels}"
_cascade.box_heads[1].input_shape.channels = "${.....backbone.out_channels}"
_cascade.box_heads[2].input_shape.channels = "${.....backbone.out_channels}"
model.roi_heads = _cascade
model.proposal_generator.post_nms_topk = [2000, 1000]  # as in the zoo's Cascade R-CNN
