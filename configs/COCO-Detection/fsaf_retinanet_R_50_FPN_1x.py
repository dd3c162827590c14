"""FSAF beside RetinaNet with plain towers in the authors' recipe."""

from ..common.models.fsaf_retinanet import model
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, optimizer, train

train.grad_clip.max_norm = 10
