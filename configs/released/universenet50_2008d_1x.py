"""UniverseNet-20.08d for its released weights: GFL with iBN on Res2Net-50. It publishes AP 48.6."""

from ..common.coco_schedule import lr_multiplier_1x as lr_multiplier
from .universenet50_gfl_2x import dataloader, model, optimizer, train

model.head.trunk.norm = "BN"
model.backbone.bottom_up.stem.norm = "SyncBN"
model.backbone.bottom_up.stages[0].norm = model.backbone.bottom_up.stages[1].norm = "SyncBN"
model.backbone.bottom_up.stages[2].norm = model.backbone.bottom_up.stages[3].norm = "SyncBN"
lr_multiplier.warmup_length = 1000 / (12 * 7330)
lr_multiplier.warmup_factor = 0.001
train.max_iter = 12 * 7330
