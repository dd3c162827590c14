"""RetinaNet with RCNet in the place of FPN. RCNet's authors publish AP 40.2 on COCO val."""

from ..common.models.rcnet import use_rcnet as _use_rcnet
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

_use_rcnet(model)
