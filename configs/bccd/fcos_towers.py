"""FCOS with plain towers and GN on blood cells, on a frozen EfficientNet-Lite0."""

from sepc.layers import Towers

from .fcos_sepc import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk._target_ = Towers
del model.head.trunk.variant
model.head.trunk.norm = "GN"
