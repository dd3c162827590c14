"""Detectron2's Mask R-CNN, with the channels of the backbone instead of a literal 256."""

from detectron2 import model_zoo

model = model_zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py").model
model.proposal_generator.head.in_channels = "${...backbone.out_channels}"
model.roi_heads.box_head.input_shape.channels = "${....backbone.out_channels}"
model.roi_heads.mask_head.input_shape.channels = "${....backbone.out_channels}"
