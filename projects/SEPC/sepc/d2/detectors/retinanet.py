"""RetinaNet (https://arxiv.org/abs/1708.02002): Detectron2's, on the common base."""

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.modeling import meta_arch
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor

from ...methods.targets import BACKGROUND
from ..mmdet1 import InclusiveBoxes
from .base import LevelPredictions, PyramidDetector, flatten_levels, scores_above
from .dense_losses import dense_losses
from .labels import lay_anchors
from .positives import Positives


class RetinaNet(PyramidDetector, InclusiveBoxes, meta_arch.RetinaNet):
    """Detectron2's ``RetinaNet``; see the other base classes for the differences."""

    def __init__(self, *, inclusive_boxes: bool = False, **kwargs: Any) -> None:
        """
        Args:
            inclusive_boxes: see :class:`~sepc.d2.mmdet1.InclusiveBoxes`; for weights of
                mmdetection 1.x.
            kwargs: see Detectron2's ``RetinaNet``.
        """
        super().__init__(**kwargs)
        self.inclusive_boxes = inclusive_boxes

    def losses(
        self,
        anchors: list[Boxes],
        pred_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: list[Tensor],
        gt_boxes: list[Tensor],
    ) -> dict[str, Tensor]:
        """Losses as Detectron2's, see :mod:`.dense_losses`."""
        found = dense_losses(
            self,
            anchors,
            pred_logits,
            gt_labels,
            pred_anchor_deltas,
            gt_boxes,
            first_normalizer=100,
            box_reg_loss_type=self.box_reg_loss_type,
            smooth_l1_beta=self.smooth_l1_beta,
        )
        return {"loss_cls": found.cls, "loss_box_reg": found.box}

    def positives(
        self, predictions: Sequence[list[Tensor]], image_size: tuple[int, int], gt: Instances
    ) -> Positives:
        anchors = lay_anchors(self.anchor_generator, predictions[0])
        ious = pairwise_iou(gt.gt_boxes, Boxes(torch.cat(anchors)))
        matched, labels = self.anchor_matcher(ious)
        assignment = torch.where(labels == 1, matched, BACKGROUND)
        return Positives.of_assignment(assignment, [len(x) for x in anchors])

    def predict_levels(self, predictions: Sequence[list[Tensor]]) -> list[LevelPredictions]:
        return retinanet_levels(self, predictions)


def retinanet_levels(
    model: meta_arch.RetinaNet, predictions: Sequence[list[Tensor]]
) -> list[LevelPredictions]:
    """Levels of a RetinaNet, Detectron2's own too; see :meth:`PyramidDetector.predict_levels`."""

    def decode(anchors: Tensor, deltas: Tensor) -> Tensor:
        return model.box2box_transform.apply_deltas(deltas, anchors)

    logits, deltas = flatten_levels(predictions, [model.num_classes, 4])
    anchors = lay_anchors(model.anchor_generator, predictions[0])
    return [
        LevelPredictions(scores_above(x.sigmoid(), model.test_score_thresh), a, (d,), decode)
        for x, a, d in zip(logits, anchors, deltas, strict=True)
    ]
