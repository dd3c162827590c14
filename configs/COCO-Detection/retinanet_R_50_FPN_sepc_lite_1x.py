"""RetinaNet with the SEPC head "sepc_lite". The authors publish AP 38.5 on COCO val."""

from ..common.models.sepc_head import head as _head
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.variant = "sepc_lite"
