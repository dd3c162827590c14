"""The small FCOS with the SEPC head on a Gaussian pyramid of the image."""

from ..common.models.image_pyramid import backbone as _backbone
from .fcos_sepc import dataloader, lr_multiplier, model, optimizer, train

model.backbone = _backbone
