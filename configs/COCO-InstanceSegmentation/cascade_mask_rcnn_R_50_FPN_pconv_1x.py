"""Cascade Mask R-CNN with four pyramid convolutions after FPN."""

from ..common.models.pconv_neck import neck as _neck
from .cascade_mask_rcnn_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

_neck.fpn = model.backbone
model.backbone = _neck
