"""The small RetinaNet of retinanet_plain.py without focal loss: Sampling-Free."""

from ..common.models.sampling_free import make_retinanet_sampling_free as _make_sampling_free
from .retinanet_plain import dataloader, lr_multiplier, model, optimizer, train

_make_sampling_free(model, optimizer)
