"""ATSS with DN-FPN, for small objects: published on AI-TOD, AP 17.9 after 12.8 without it."""

from sepc.d2.backbones.denoising_fpn import DenoisingFPN

from .atss_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.backbone._target_ = DenoisingFPN
model.backbone.denoising_weight = 0.1  # of both losses
