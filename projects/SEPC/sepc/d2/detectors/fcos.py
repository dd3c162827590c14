"""FCOS (https://arxiv.org/abs/1904.01355): Detectron2's, on the common base."""

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.modeling import meta_arch
from detectron2.structures import Boxes, Instances
from torch import Tensor
from torch.nn import functional as F

from ...methods.fcos import fcos_assign
from ...methods.targets import anchor_targets
from .base import LevelPredictions, PyramidDetector, flatten_levels, scores_above
from .dense_losses import dense_losses
from .labels import lay_anchors
from .positives import Positives


class FCOS(PyramidDetector, meta_arch.FCOS):
    """Detectron2's ``FCOS``; see :class:`.base.PyramidDetector` for the differences.

    Its head is Detectron2's ``FCOSHead`` or a :class:`.heads.CenternessHead`. Unlike Detectron2's,
    it takes other ranges of sizes per level, and compares the areas of boxes that claim one point
    exactly (there in steps of eight square pixels).
    """

    def __init__(self, *, max_distance: float = 8.0, **kwargs: Any) -> None:
        """
        Args:
            max_distance: of a point from the farthest side of its box, in strides of its level; see
                :func:`~sepc.methods.fcos.fcos_assign`.
            kwargs: see Detectron2's ``FCOS``.

        Raises:
            ValueError: for a distance that is not positive.
        """
        super().__init__(**kwargs)
        if max_distance <= 0:
            raise ValueError(f"expected max_distance > 0 strides, got {max_distance}")
        self.max_distance = max_distance

    def label_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """N labels (R,) and N boxes (R, 4) of all points, see ``anchor_targets``."""
        found = [
            anchor_targets(
                self.assign(anchors, gt),
                gt.gt_boxes.tensor,
                gt.gt_classes,
                num_classes=self.num_classes,
            )
            for gt in gt_instances
        ]
        labels, boxes = zip(*found, strict=True)
        return list(labels), list(boxes)

    def positives(
        self, predictions: Sequence[list[Tensor]], image_size: tuple[int, int], gt: Instances
    ) -> Positives:
        anchors = [Boxes(x) for x in lay_anchors(self.anchor_generator, predictions[0])]
        return Positives.of_assignment(self.assign(anchors, gt), [len(x) for x in anchors])

    def assign(self, anchors: list[Boxes], gt: Instances) -> Tensor:
        """Assignment (R,) of the points of one image, the centers of its L levels of anchors."""
        return fcos_assign(
            Boxes.cat(anchors).get_centers(),
            gt.gt_boxes.tensor,
            [len(x) for x in anchors],
            self.anchor_generator.strides,
            max_distance=self.max_distance,
            center_radius=self.center_sampling_radius,
        )

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
