"""UniverseNet for its released weights: ATSS on Res2Net-50 that deforms. It publishes AP 48.9."""

from ..common.coco_schedule import lr_multiplier_2x as lr_multiplier
from ..common.data.coco_multi_scale import dataloader
from ..common.models.res2net import bottom_up as _bottom_up
from .atss_R_50_FPN_sepc_noibn_1x import model, optimizer, train

_bottom_up.stages[1].deform = _bottom_up.stages[2].deform = _bottom_up.stages[3].deform = True
model.backbone.bottom_up = _bottom_up
dataloader.train.mapper.augmentations[0].short_edge_length = [480, 960]
lr_multiplier.warmup_length = 1000 / (24 * 7330)
lr_multiplier.warmup_factor = 0.001
train.amp.enabled = True
train.grad_clip = dict(max_norm=35, norm_type=2)
train.max_iter = 24 * 7330
