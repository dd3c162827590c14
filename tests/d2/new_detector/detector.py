"""The toy method as a detector."""

from sepc.d2.detectors.atss_base import ATSSBase
from sepc.d2.detectors.base import process_average, scores_above
from sepc.methods.boxes import centers, decode_distances

from .methods import middles_assign, middles_losses


class Middles(ATSSBase):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.prediction_dims = [self.num_classes, 4]

    def assign(self, anchors, gt_boxes, per_level, valid):
        return middles_assign(anchors, gt_boxes)

    def losses(self, predictions, targets):
        anchors, strides, labels, boxes = (targets[i] for i in (0, 1, 4, 5))
        cls, box, number = middles_losses(*predictions, anchors, strides, labels, boxes)
        number = process_average(number.float())
        return {"loss_cls": cls / number, "loss_box_reg": self.box_loss_weight * box / number}

    def boxes(self, anchors, predictions, stride):
        return decode_distances(centers(anchors), predictions[1] * stride)

    def scores(self, predictions):
        return scores_above(predictions[0].sigmoid(), self.test_score_thresh)
