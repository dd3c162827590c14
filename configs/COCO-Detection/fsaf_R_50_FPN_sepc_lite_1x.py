"""FSAF with the SEPC head "sepc_lite". The authors publish AP 40.5 on COCO val."""

from ..common.models.sepc_head import trunk as _trunk
from .fsaf_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.variant = "sepc_lite"
