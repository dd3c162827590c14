"""A small FSAF beside RetinaNet with plain towers on generated data."""

from ..common.models.fsaf_retinanet_small import model
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

train.output_dir = "./output/quickstart/fsaf_retinanet_plain"
