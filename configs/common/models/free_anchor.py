"""FreeAnchor as the authors train it: RetinaNet with learned matching."""

from sepc.d2.detectors.free_anchor import FreeAnchor

from .retinanet import model

model._target_ = FreeAnchor
del model.anchor_matcher
model.box2box_transform.weights = [10.0, 10.0, 5.0, 5.0]
model.bag_size = 50
model.iou_threshold = 0.6
model.box_loss_weight = 0.75
model.focal_loss_alpha = 0.5
