"""GFL with the SEPC head "sepc"."""

from ..common.models.sepc_head import trunk as _trunk
from .gfl_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.variant = "sepc"
