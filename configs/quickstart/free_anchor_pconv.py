"""The small FreeAnchor with the SEPC head "pconv"."""

from ..common.models.sepc_head import head as _head
from .free_anchor_plain import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.variant = "pconv"
train.output_dir = "./output/quickstart/free_anchor_pconv"
