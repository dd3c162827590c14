"""GFL with RCNet in the place of FPN. RCNet's authors publish AP 43.1 on COCO val."""

from ..common.models.rcnet import use_rcnet as _use_rcnet
from .gfl_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

_use_rcnet(model)
