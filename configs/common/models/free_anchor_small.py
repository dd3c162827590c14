"""A FreeAnchor for images of about 128 pixels."""

from .free_anchor import model
from .retinanet_small import model as _retinanet

model.backbone = _retinanet.backbone
model.anchor_generator.sizes = _retinanet.anchor_generator.sizes
model.num_classes = _retinanet.num_classes
model.pixel_mean = _retinanet.pixel_mean
model.pixel_std = _retinanet.pixel_std
