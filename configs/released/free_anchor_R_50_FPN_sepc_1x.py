"""FreeAnchor with "sepc" for the authors' released weights. They publish AP 43.0."""

from detectron2.config import LazyConfig as _LazyConfig

from sepc.d2.mmdet1 import LastLevelP6P7 as _TopBlock
from sepc.d2.mmdet1 import LegacyAnchorGenerator as _Anchors
from sepc.d2.mmdet1 import LegacyBox2BoxTransform as _Transform

dataloader, lr_multiplier, model, optimizer, train = _LazyConfig.load_rel(
    "../COCO-Detection/free_anchor_R_50_FPN_sepc_1x.py",
    ("dataloader", "lr_multiplier", "model", "optimizer", "train"),
)
model.backbone.top_block._target_ = _TopBlock  # no ReLU before P7
model.head.trunk.head_padding = "valid"
model.anchor_generator._target_ = _Anchors
model.box2box_transform._target_ = _Transform
model.inclusive_boxes = True
