"""FCOS (https://arxiv.org/abs/1904.01355): Detectron2's, on the common base."""

from collections.abc import Sequence

import torch
from detectron2.modeling import meta_arch
from detectron2.structures import Boxes
from torch import Tensor
from torch.nn import functional as F

from .base import LevelPredictions, PyramidDetector, flatten_levels, lay_anchors, scores_above
from .dense_losses import dense_losses


class FCOS(PyramidDetector, meta_arch.FCOS):
    """Detectron2's ``FCOS``; see :class:`.base.PyramidDetector` for the differences.

    Its head is Detectron2's ``FCOSHead`` or a :class:`.heads.CenternessHead`.
    """

    def losses(
        self,
        anchors: list[Boxes],
        pred_logits: Sequence[Tensor],
        gt_labels: Sequence[Tensor],
        pred_anchor_deltas: list[Tensor],
        gt_boxes: list[Tensor],
        pred_centerness: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Losses as Detectron2's, see :mod:`.dense_losses`."""
        found = dense_losses(
            self,
            anchors,
            pred_logits,
            gt_labels,
            pred_anchor_deltas,
            gt_boxes,
            first_normalizer=300,
            box_reg_loss_type="giou",
        )
        centerness = F.binary_cross_entropy_with_logits(
            torch.cat(list(pred_centerness), dim=1).squeeze(dim=2)[found.positive],
            self.compute_ctrness_targets(anchors, gt_boxes)[found.positive],
            reduction="sum",
        )
        return {
            "loss_fcos_cls": found.cls,
            "loss_fcos_loc": found.box,
            "loss_fcos_ctr": centerness / found.normalizer,
        }

    def predict_levels(self, predictions: Sequence[list[Tensor]]) -> list[LevelPredictions]:
        return fcos_levels(self, predictions)


def fcos_levels(
    model: meta_arch.FCOS, predictions: Sequence[list[Tensor]]
) -> list[LevelPredictions]:
    """Levels of an FCOS, Detectron2's own included; see :meth:`PyramidDetector.predict_levels`."""

    def decode(anchors: Tensor, deltas: Tensor) -> Tensor:
        return model.box2box_transform.apply_deltas(deltas, anchors)

    def scores(logits: Tensor, centerness: Tensor) -> Tensor:
        # Unlike the paper, as in Detectron2: the threshold is on the geometric mean.
        return scores_above((logits.sigmoid() * centerness.sigmoid()).sqrt(), threshold)

    threshold = model.test_score_thresh
    flat = flatten_levels(predictions, [model.num_classes, 4, 1])
    anchors = lay_anchors(model.anchor_generator, predictions[0])
    return [
        LevelPredictions(scores(logits, centerness), own, (deltas,), decode)
        for logits, deltas, centerness, own in zip(*flat, anchors, strict=True)
    ]
