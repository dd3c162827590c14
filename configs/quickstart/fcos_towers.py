"""The small FCOS with plain towers of the SEPC package: any norm over the pyramid, as iBN."""

from sepc.layers import Towers

from ..common.models.sepc_head import centerness_head as _head
from .fcos_plain import dataloader, lr_multiplier, model, optimizer, train

model.head = _head
model.head.trunk.num_levels = len(model.head_in_features)
model.head.trunk._target_ = Towers
del model.head.trunk.variant
model.head.trunk.norm = "BN"
