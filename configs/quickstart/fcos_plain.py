"""A small FCOS with Detectron2's own head on generated data."""

from ..common.models.fcos_small import model
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

train.output_dir = "./output/quickstart/fcos_plain"
