"""A small ATSS with plain towers on generated data."""

from ..common.models.atss import model
from ..common.models.small import make_small as _make_small
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

_make_small(model)
