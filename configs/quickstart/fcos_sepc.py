"""The small FCOS with the SEPC head; its variant is model.head.trunk.variant."""

from ..common.models.sepc_head import centerness_head as _head
from .fcos_plain import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.num_levels = len(model.head_in_features)
