"""The small RetinaNet with RCNet in the place of FPN, and Detectron2's own head."""

from ..common.models.rcnet import use_rcnet as _use_rcnet
from .retinanet_plain import dataloader, lr_multiplier, model, optimizer, train

_use_rcnet(model)
