"""The small FCOS of fcos_plain.py without focal loss: Sampling-Free."""

from ..common.models.sampling_free import make_fcos_sampling_free as _make_sampling_free
from .fcos_plain import dataloader, lr_multiplier, model, optimizer, train

_make_sampling_free(model, optimizer)
