"""The small ATSS with RCNet in the place of FPN, and its plain towers."""

from ..common.models.rcnet import use_rcnet as _use_rcnet
from .atss_plain import dataloader, lr_multiplier, model, optimizer, train

_use_rcnet(model)
