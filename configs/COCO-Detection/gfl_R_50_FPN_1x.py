"""GFL with plain towers in UniverseNet's recipe. mmdetection publishes AP 40.2 on COCO val."""

from ..common.models.gfl import model
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, optimizer, train

lr_multiplier.warmup_factor = 0.001
train.grad_clip = None
