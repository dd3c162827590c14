"""The small ATSS of atss_plain.py without focal loss: Sampling-Free."""

from ..common.models.sampling_free import make_atss_sampling_free as _make_sampling_free
from .atss_plain import dataloader, lr_multiplier, model, optimizer, train

_make_sampling_free(model, optimizer)
