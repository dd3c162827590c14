"""A small FCOS with Detectron2's own head on generated data."""

from ..common.models.fcos import model
from ..common.models.small import make_small as _make_small
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

_make_small(model)
# half of COCO's, as the anchors of the others
model.max_distance = 4.0
model.center_sampling_radius = 3.0
