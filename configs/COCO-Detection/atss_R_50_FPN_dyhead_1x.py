"""ATSS with DyHead. mmdetection publishes AP 43.3 on COCO val."""

from ..common.models.dyhead import trunk as _trunk
from .atss_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
