"""FCOS with Detectron2's own head in the authors' recipe."""

from ..common.models.fcos import model
from .retinanet_R_50_FPN_1x import dataloader, lr_multiplier, optimizer, train
