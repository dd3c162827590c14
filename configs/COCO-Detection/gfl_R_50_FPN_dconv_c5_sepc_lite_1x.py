"""UniverseNet-20.08 with R-50, its GFL at several scales. UniverseNet publishes AP 44.7."""

from ..common.data.coco_multi_scale import dataloader
from ..common.models.universenet import bottom_up as _bottom_up
from .gfl_R_50_FPN_sepc_lite_1x import lr_multiplier, model, optimizer, train

model.backbone.bottom_up = _bottom_up
dataloader.train.mapper.augmentations[0].short_edge_length = [480, 960]
lr_multiplier.warmup_length = 1000 / (12 * 7330)
train.grad_clip = dict(max_norm=35, norm_type=2)
train.amp.enabled = True
