"""RetinaNet with "pconv_ibn" for the authors' released weights. They publish AP 37.8."""

from .retinanet_R_50_FPN_sepc_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk.variant = "pconv_ibn"
