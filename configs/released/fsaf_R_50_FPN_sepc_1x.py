"""FSAF with "sepc" for the authors' released weights. They publish AP 41.6."""

from ..common.models.sepc_head import trunk as _trunk
from .fsaf_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.head_padding = "valid"
