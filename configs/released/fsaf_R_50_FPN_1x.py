"""FSAF with plain towers for the authors' released weights. They publish AP 36.8."""

from detectron2.config import LazyConfig as _LazyConfig

from sepc.d2.mmdet1 import LastLevelP6P7 as _TopBlock

dataloader, lr_multiplier, model, optimizer, train = _LazyConfig.load_rel(
    "../COCO-Detection/fsaf_R_50_FPN_1x.py",
    ("dataloader", "lr_multiplier", "model", "optimizer", "train"),
)
model.backbone.top_block._target_ = _TopBlock  # no ReLU before P7
model.inclusive_boxes = True
