"""Optimizers: Detectron2's with the authors' settings."""

from detectron2 import model_zoo

SGD = model_zoo.get_config("common/optim.py").SGD
SGD.lr = 0.01  # for 16 images
SGD.params.weight_decay_norm = None  # Detectron2 sets 0.0; the authors decay norms like the rest

AdamW = model_zoo.get_config("common/optim.py").AdamW
AdamW.fused = True  # one pass over the parameters
