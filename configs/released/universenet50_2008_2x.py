"""UniverseNet-20.08 for its released weights: GFL on Res2Net-50. It publishes AP 48.5."""

from .universenet50_2x import lr_multiplier
from .universenet50_2008d_1x import dataloader, model, optimizer, train

model.head.trunk.variant = "sepc_lite"
model.backbone.bottom_up.stages[1].deform = model.backbone.bottom_up.stages[2].deform = False
train.max_iter = 24 * 7330
