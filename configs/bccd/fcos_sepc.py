"""FCOS with SEPC on blood cells, on a frozen EfficientNet-Lite0; its variant is one word."""

from ..common.data.bccd import dataloader
from ..common.models.efficientnet_fpn import make_frozen_efficientnet as _use_backbone
from ..common.models.fcos import model
from ..common.models.sepc_head import centerness_head as _head
from ..quickstart.fcos_plain import lr_multiplier, optimizer, train

model.head = _head
_use_backbone(model)
model.num_classes = 3
train.max_iter = train.eval_period = 800
train.checkpointer.period = 200
