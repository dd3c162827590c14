"""GFL as UniverseNet trains it; without SEPC, towers with group norm."""

from detectron2.config import LazyCall as L

from sepc.d2.detectors.gfl import GFL
from sepc.d2.detectors.heads import SEPCHead

from .atss import model

model._target_ = GFL
del model.delta_weights
del model.focal_loss_alpha
del model.focal_loss_gamma
model.head = L(SEPCHead)(
    trunk=model.head.trunk,
    num_classes="${..num_classes}",
    num_anchors=1,
    prior_prob=0.01,
    box_dim=4 * (16 + 1),  # a distribution over 0 to 16 strides for each side
    num_scales=5,
)
model.num_bins = 16
model.quality_focal_loss_beta = 2.0
model.distribution_loss_weight = 0.25
