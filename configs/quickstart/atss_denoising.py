"""The small ATSS with DN-FPN."""

from sepc.d2.backbones.denoising_fpn import DenoisingFPN

from .atss_plain import dataloader, lr_multiplier, model, optimizer, train

model.backbone._target_ = DenoisingFPN
model.backbone.denoising_weight = 0.1  # of both losses
