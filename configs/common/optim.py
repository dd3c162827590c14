"""Optimizers: Detectron2's with the authors' settings, and a learning rate for offsets."""

from detectron2 import model_zoo
from detectron2.config import LazyCall as L

from sepc.learning_rate import lr_factor

SGD = model_zoo.get_config("common/optim.py").SGD
SGD.lr = 0.01  # for 16 images
SGD.params.weight_decay_norm = None  # Detectron2 sets 0.0; the authors decay norms like the rest
SGD.params.base_lr = "${..lr}"
SGD.params.lr_factor_func = L(lr_factor)(offset=1.0)

AdamW = model_zoo.get_config("common/optim.py").AdamW
AdamW.fused = True  # one pass over the parameters
# AdamW moves offsets at its full rate while the features are still noise
AdamW.params.lr_factor_func = L(lr_factor)(offset=0.1)
