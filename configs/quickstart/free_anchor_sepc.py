"""The small FreeAnchor with the SEPC head; its variant is model.head.trunk.variant."""

from ..common.models.sepc_head import head as _head
from .free_anchor_plain import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.num_levels = len(model.head_in_features)
