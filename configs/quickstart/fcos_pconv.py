"""The small FCOS with the SEPC head "pconv"."""

from ..common.models.sepc_head import centerness_head as _head
from .fcos_plain import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.variant = "pconv"
train.output_dir = "./output/quickstart/fcos_pconv"
