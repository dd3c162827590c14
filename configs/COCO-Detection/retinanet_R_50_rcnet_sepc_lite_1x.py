"""RetinaNet with RCNet in the place of FPN, and the SEPC head "sepc_lite" behind it."""

from ..common.models.rcnet import use_rcnet as _use_rcnet
from .retinanet_R_50_FPN_sepc_lite_1x import dataloader, lr_multiplier, model, optimizer, train

_use_rcnet(model)
