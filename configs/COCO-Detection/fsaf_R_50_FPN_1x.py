"""FSAF with plain towers in the authors' recipe. The authors publish AP 36.8 on COCO val."""

from ..common.models.fsaf import model
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, optimizer, train

train.grad_clip.max_norm = 10
