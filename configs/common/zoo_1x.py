"""Detectron2's own 1x recipe for two-stage detectors: 90000 iterations of 16 images, lr 0.02."""

from detectron2 import model_zoo

from sepc.d2.coco_evaluator import PooledCOCOEvaluator
from sepc.d2.engine import use_own_loaders

from .train import train

_zoo = model_zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py")
dataloader, lr_multiplier, optimizer = _zoo.dataloader, _zoo.lr_multiplier, _zoo.optimizer

use_own_loaders(dataloader)
dataloader.evaluator._target_ = PooledCOCOEvaluator  # AP-Pool beside AP
train.init_checkpoint = _zoo.train.init_checkpoint  # MSRA's R-50: BGR, strides in the 1x1
