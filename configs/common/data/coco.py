"""COCO 2017, or any data set in its folder layout that $DETECTRON2_DATASETS points at."""

from detectron2 import model_zoo

from sepc.d2.coco_evaluator import PooledCOCOEvaluator
from sepc.d2.engine import use_own_loaders

dataloader = model_zoo.get_config("common/data/coco.py").dataloader
use_own_loaders(dataloader)
dataloader.train.mapper.use_instance_mask = False  # boxes only
dataloader.train.mapper.image_format = "RGB"
dataloader.train.mapper.augmentations[0].short_edge_length = 800  # Detectron2: 640 to 800
dataloader.evaluator._target_ = PooledCOCOEvaluator  # AP-Pool beside AP
