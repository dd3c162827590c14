"""The small FCOS with plain towers on a Gaussian pyramid of the image."""

from ..common.models.image_pyramid import backbone as _backbone
from .fcos_towers import dataloader, lr_multiplier, model, optimizer, train

model.backbone = _backbone
