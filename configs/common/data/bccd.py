"""BCCD: blood cells of three classes, 640 x 480 pixels, read at 512 x 384."""

import detectron2.data.transforms as T
from detectron2.config import LazyCall as L

import sepc.d2.datasets  # registers the data, for programs that read the config alone

from .coco import dataloader

_resize = L(T.ResizeShortestEdge)(short_edge_length=384, max_size=512)

dataloader.train.dataset.names = "bccd_train"
dataloader.train.mapper.augmentations = [_resize, L(T.RandomFlip)(horizontal=True)]
dataloader.train.total_batch_size = 4
dataloader.train.num_workers = 0
dataloader.test.dataset.names = "bccd_val"
dataloader.test.mapper.augmentations = [_resize]
dataloader.test.num_workers = 0
