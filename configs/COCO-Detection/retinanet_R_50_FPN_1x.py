"""RetinaNet with Detectron2's own head in the authors' recipe: what SEPC is compared with."""

from ..common.coco_schedule import lr_multiplier_1x as lr_multiplier
from ..common.data.coco import dataloader
from ..common.models.retinanet import model
from ..common.optim import SGD as optimizer
from ..common.train import train

train.init_checkpoint = "detectron2://ImageNetPretrained/torchvision/R-50.pkl"
train.max_iter = 12 * 7330
train.checkpointer.period = train.eval_period = 7330
train.grad_clip = dict(max_norm=35, norm_type=2)
