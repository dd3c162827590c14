"""RetinaNet with the SEPC head "sepc" on R-101: 24 epochs, trained at several scales."""

from ..common.coco_schedule import lr_multiplier_2x as lr_multiplier
from ..common.data.coco_multi_scale import dataloader
from .retinanet_R_101_FPN_sepc_1x import model, optimizer, train

train.max_iter = 24 * 7330
