"""The small FSAF with the SEPC head; its variant is model.head.trunk.variant."""

from ..common.models.sepc_head import trunk as _trunk
from .fsaf_plain import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.num_levels = len(model.head_in_features)
