"""An FCOS for images of about 128 pixels."""

from .fcos import model
from .retinanet_small import model as _retinanet

model.backbone = _retinanet.backbone
model.backbone.top_block.in_feature = "p5"
model.backbone.top_block.in_channels = "${..out_channels}"
model.num_classes = _retinanet.num_classes
model.pixel_mean = _retinanet.pixel_mean
model.pixel_std = _retinanet.pixel_std
