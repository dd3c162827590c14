"""RetinaNet (https://arxiv.org/abs/1708.02002): Detectron2's, with its ground truth checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.modeling import meta_arch
from detectron2.structures import ImageList, Instances
from torch import Tensor

from ..inclusive import InclusiveBoxes
from .ground_truth import ChecksGroundTruth


class RetinaNet(ChecksGroundTruth, InclusiveBoxes, meta_arch.RetinaNet):
    """Detectron2's ``RetinaNet``; see the other base classes for the differences.

    Anchors are laid on the maps of the predictions, which are smaller than those that the head
    reads where its trunk does not pad (``head_padding="valid"``).
    """

    def __init__(self, *, inclusive_boxes: bool = False, **kwargs: Any) -> None:
        """
        Args:
            inclusive_boxes: see :class:`InclusiveBoxes`; for weights of mmdetection 1.x.
            kwargs: see Detectron2's ``RetinaNet``.
        """
        super().__init__(**kwargs)
        self.inclusive_boxes = inclusive_boxes

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Sequence[list[Tensor]],
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        return super().forward_training(images, predictions[0], predictions, gt_instances)

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Sequence[list[Tensor]]
    ) -> list[Instances]:
        return super().forward_inference(images, predictions[0], predictions)
