"""FCOS with the SEPC head "sepc"."""

from ..common.models.sepc_head import centerness_head as _head
from .fcos_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.variant = "sepc"
