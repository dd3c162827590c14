"""The quick start's own detector: the small RetinaNet with a trunk of variant ``pconv_ibn``."""

from .retinanet_sepc import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk.variant = "pconv_ibn"
