"""ATSS with SEPC without iBN for UniverseNet's released weights. It publishes AP 42.1."""

from detectron2.config import LazyConfig as _LazyConfig

from sepc.d2.mmdet1 import LastLevelP6P7 as _TopBlock

dataloader, lr_multiplier, model, optimizer, train = _LazyConfig.load_rel(
    "../COCO-Detection/atss_R_50_FPN_sepc_noibn_1x.py",
    ("dataloader", "lr_multiplier", "model", "optimizer", "train"),
)
model.backbone.top_block._target_ = _TopBlock  # no ReLU before P7
model.head.trunk.head_padding = "valid"
