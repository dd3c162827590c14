"""FreeAnchor with the SEPC head "sepc_lite". The authors publish AP 41.9 on COCO val."""

from ..common.models.sepc_head import head as _head
from .free_anchor_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.variant = "sepc_lite"
