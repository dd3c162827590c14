"""The small GFL with the SEPC head "sepc"."""

from ..common.models.sepc_head import trunk as _trunk
from .gfl_plain import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.variant = "sepc"
train.output_dir = "./output/quickstart/gfl_sepc"
