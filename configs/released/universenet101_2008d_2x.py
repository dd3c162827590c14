"""UniverseNet-20.08d for its released weights, on Res2Net-101. It publishes AP 50.6, or 50.9."""

from .universenet50_2x import lr_multiplier
from .universenet50_2008d_1x import dataloader, model, optimizer, train

model.backbone.bottom_up.stages[2].num_blocks = 23
model.backbone.bottom_up.stages[2].stride_per_block = [2] + [1] * 22
train.max_iter = 24 * 7330
