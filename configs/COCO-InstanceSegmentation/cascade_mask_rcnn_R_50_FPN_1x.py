"""Cascade Mask R-CNN in Detectron2's own recipe: what pyramid convolution is compared with."""

from ..common.models.cascade_mask_rcnn import model
from ..common.zoo_1x import dataloader, lr_multiplier, optimizer, train
