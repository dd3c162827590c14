"""COCO with the shorter side of each training image drawn from a range."""

from .coco import dataloader

dataloader.train.mapper.augmentations[0].short_edge_length = [640, 800]
dataloader.train.mapper.augmentations[0].sample_style = "range"
