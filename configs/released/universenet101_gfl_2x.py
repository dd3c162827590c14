"""UniverseNet+GFL for its released weights, on Res2Net-101. It publishes AP 50.8."""

from .universenet50_gfl_2x import dataloader, lr_multiplier, model, optimizer, train

model.backbone.bottom_up.stages[2].num_blocks = 23
model.backbone.bottom_up.stages[2].stride_per_block = [2] + [1] * 22
