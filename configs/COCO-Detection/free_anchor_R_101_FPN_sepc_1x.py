"""FreeAnchor with the SEPC head "sepc" on R-101."""

from .free_anchor_R_50_FPN_sepc_1x import dataloader, lr_multiplier, model, optimizer, train

model.backbone.bottom_up.stages.depth = 101
# torchvision's weights, converted by Detectron2's tools/convert-torchvision-to-d2.py
train.init_checkpoint = "./pretrained/R-101.pkl"
