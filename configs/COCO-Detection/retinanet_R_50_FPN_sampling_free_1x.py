"""RetinaNet without focal loss: Sampling-Free. Its authors publish AP 36.8 on COCO val."""

from ..common.models.sampling_free import make_retinanet_sampling_free as _make_sampling_free
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, model, optimizer, train

_make_sampling_free(model, optimizer)
