"""An FSAF for images of about 128 pixels."""

from .fsaf import model
from .retinanet_small import model as _retinanet

model.backbone = _retinanet.backbone
model.num_classes = _retinanet.num_classes
model.pixel_mean = _retinanet.pixel_mean
model.pixel_std = _retinanet.pixel_std
