"""Detectron2's Faster R-CNN: its Mask R-CNN without the mask head."""

from .mask_rcnn import model

model.roi_heads.pop("mask_in_features")
model.roi_heads.pop("mask_pooler")
model.roi_heads.pop("mask_head")
