"""A small GFL with plain towers on generated data."""

from ..common.models.gfl_small import model
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

train.output_dir = "./output/quickstart/gfl_plain"
