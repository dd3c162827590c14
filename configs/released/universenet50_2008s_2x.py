"""UniverseNet-20.08s for its released weights: GFL on R-50-C. It publishes AP 46.9."""

from detectron2.config import LazyConfig as _LazyConfig

from sepc.d2.backbones.deep_stem import DeepStem as _DeepStem
from sepc.d2.mmdet1 import LastLevelP6P7 as _TopBlock

from ..common.coco_schedule import lr_multiplier_2x as lr_multiplier

dataloader, model, optimizer, train = _LazyConfig.load_rel(
    "../COCO-Detection/gfl_R_50_FPN_dconv_c5_sepc_lite_1x.py",
    ("dataloader", "model", "optimizer", "train"),
)
model.backbone.bottom_up.stem._target_ = _DeepStem
model.backbone.top_block._target_ = _TopBlock  # no ReLU before P7
lr_multiplier.warmup_length = 1000 / (24 * 7330)
lr_multiplier.warmup_factor = 0.001
train.max_iter = 24 * 7330
