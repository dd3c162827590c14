"""A small RetinaNet with Detectron2's own head on generated data: minutes on two CPU cores."""

from ..common.data.shapes import dataloader
from ..common.models.retinanet_small import model
from ..common.optim import AdamW as optimizer
from ..common.quick_schedule import lr_multiplier_cosine as lr_multiplier
from ..common.train import train

optimizer.lr = 1e-3
optimizer.weight_decay = 0.05
train.output_dir = "./output/quickstart/retinanet_plain"
train.max_iter = 1500
train.checkpointer.period = train.eval_period = 500
train.grad_clip = dict(max_norm=10, norm_type=2)
train.channels_last = True
train.seed = 1
