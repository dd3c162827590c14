"""A small FreeAnchor with Detectron2's own head on generated data."""

from ..common.models.free_anchor import model
from ..common.models.small import make_small as _make_small
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

_make_small(model)
