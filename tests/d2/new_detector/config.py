"""The toy detector on the quick start's data, with SEPC."""

from detectron2.config import LazyCall as L
from detectron2.config import LazyConfig

from sepc import build_sepc
from sepc.d2.detectors.heads import SEPCHead
from tests.d2.new_detector.detector import Middles

_parts = ("dataloader", "lr_multiplier", "model", "optimizer", "train")
dataloader, lr_multiplier, model, optimizer, train = LazyConfig.load_rel(
    "../../../configs/quickstart/atss_plain.py", _parts
)
model._target_ = Middles
del model.delta_weights, model.focal_loss_alpha, model.focal_loss_gamma
_trunk = L(build_sepc)(variant="sepc", in_channels="${...backbone.out_channels}")
model.head = L(SEPCHead)(trunk=_trunk, num_classes="${..num_classes}", num_anchors=1)
