"""The small RetinaNet with the SEPC head "pconv"."""

from ..common.models.sepc_head import head as _head
from .retinanet_plain import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.variant = "pconv"
train.output_dir = "./output/quickstart/retinanet_pconv"
