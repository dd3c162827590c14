"""UniverseNet+GFL for its released weights, on Res2Net-50. It publishes AP 49.4."""

from detectron2.config import LazyConfig as _LazyConfig

from sepc.d2.mmdet1 import LastLevelP6P7 as _TopBlock

from .universenet50_2x import dataloader, lr_multiplier, optimizer, train
from .universenet50_2x import model as _atss

model = _LazyConfig.load_rel("../COCO-Detection/gfl_R_50_FPN_sepc_1x.py", "model")
model.backbone.bottom_up = _atss.backbone.bottom_up
model.backbone.top_block._target_ = _TopBlock  # no ReLU before P7
model.head.trunk.norm = None
