"""The generated data set, at its own size."""

import detectron2.data.transforms as T
from detectron2.config import LazyCall as L

import sepc.d2.datasets  # registers the data, for programs that read the config alone

from .coco import dataloader

dataloader.train.dataset.names = "shapes_train"
dataloader.train.mapper.augmentations = [L(T.RandomFlip)(horizontal=True)]
dataloader.train.num_workers = 0
dataloader.test.dataset.names = "shapes_val"
dataloader.test.mapper.augmentations = []
dataloader.test.batch_size = 1  # as exported files take images: AP depends on their padding
dataloader.test.num_workers = 0
