"""A small ATSS with plain towers on generated data."""

from ..common.models.atss_small import model
from .retinanet_plain import dataloader, lr_multiplier, optimizer, train

train.output_dir = "./output/quickstart/atss_plain"
