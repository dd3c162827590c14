"""The small ATSS with DyHead, of two blocks: four take more than twice as long as SEPC."""

from ..common.models.dyhead import trunk as _trunk
from .atss_plain import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.num_blocks = 2
model.head.trunk.num_levels = len(model.head_in_features)
