"""A small RetinaNet with Detectron2's own head on generated data: minutes on two CPU cores."""

from ..common.data.shapes import dataloader
from ..common.models.retinanet import model
from ..common.models.small import make_small as _make_small
from ..common.optim import AdamW as optimizer
from ..common.quick_schedule import lr_multiplier_cosine as lr_multiplier
from ..common.train import train

_make_small(model)
optimizer.lr = 1e-3
optimizer.weight_decay = 0.05
train.max_iter = 1500
train.checkpointer.period = train.eval_period = 500
train.grad_clip = dict(max_norm=10, norm_type=2)
train.seed = 1
