"""The small FSAF with the SEPC head "pconv_ibn"."""

from ..common.models.sepc_head import trunk as _trunk
from .fsaf_plain import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk = _trunk
model.head.trunk.variant = "pconv_ibn"
train.output_dir = "./output/quickstart/fsaf_pconv_ibn"
