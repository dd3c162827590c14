"""FSAF with "pconv_ibn" for the authors' released weights. They publish AP 39.1."""

from .fsaf_R_50_FPN_sepc_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk.variant = "pconv_ibn"
