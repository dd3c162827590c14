"""A small FSAF with plain towers on generated data."""

from ..common.models.fsaf import model
from ..common.models.small import make_small as _make_small
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

_make_small(model)
