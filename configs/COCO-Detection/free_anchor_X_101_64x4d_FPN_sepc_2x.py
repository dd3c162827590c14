"""FreeAnchor with the SEPC head "sepc" on ResNeXt-101-64x4d: 24 epochs at several scales."""

from ..common.models.resnext101_64x4d import bottom_up as _bottom_up
from .free_anchor_R_101_FPN_sepc_2x import dataloader, lr_multiplier, model, optimizer, train

model.backbone.bottom_up = _bottom_up
# torchvision's weights, converted by Detectron2's tools/convert-torchvision-to-d2.py
train.init_checkpoint = "./pretrained/X-101-64x4d.pkl"
