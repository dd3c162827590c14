"""Detectron2's RetinaNet as the authors train it: torchvision's R-50, RGB, smooth L1."""

from detectron2 import model_zoo
from detectron2.config import LazyCall as L
from detectron2.layers import ShapeSpec

from sepc.d2.detectors.retinanet import RetinaNet
from sepc.d2.norm import EvalBatchNorm2d

_constants = model_zoo.get_config("common/data/constants.py").constants

model = model_zoo.get_config("common/models/retinanet.py").model
model._target_ = RetinaNet  # checks the ground truth
model.backbone.bottom_up.stem.norm = EvalBatchNorm2d
model.backbone.bottom_up.stages.norm = EvalBatchNorm2d
model.backbone.bottom_up.stages.stride_in_1x1 = False  # torchvision strides in the 3x3
model.backbone.bottom_up.freeze_at = 2  # stem and first stage
model.input_format = "RGB"
model.pixel_mean = _constants.imagenet_rgb256_mean
model.pixel_std = _constants.imagenet_rgb256_std
model.smooth_l1_beta = 0.11  # Detectron2's 0.0 is plain L1
# Detectron2's own head, with the channels of the FPN instead of a literal 256
model.head.input_shape = [L(ShapeSpec)(channels="${....backbone.out_channels}")] * 5
model.head.conv_dims = ["${...backbone.out_channels}"] * 4
