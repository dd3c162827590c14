"""UniverseNet-20.08s for its weights for images of 224 x 224. It publishes AP 29.4."""

from detectron2.config import LazyCall as _L
from detectron2.data.transforms import Resize as _Resize

from .universenet50_2008s_2x import dataloader, lr_multiplier, model, optimizer, train

# images are stretched to a square
dataloader.test.mapper.augmentations = [_L(_Resize)(shape=[224, 224])]
dataloader.train.mapper.augmentations[0].short_edge_length = [128, 256]
