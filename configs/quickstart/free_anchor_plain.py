"""A small FreeAnchor with Detectron2's own head on generated data."""

from ..common.models.free_anchor_small import model
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

train.output_dir = "./output/quickstart/free_anchor_plain"
