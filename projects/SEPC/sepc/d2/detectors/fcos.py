"""FCOS (https://arxiv.org/abs/1904.01355): Detectron2's, with its ground truth checked."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.modeling import meta_arch
from detectron2.structures import ImageList, Instances
from torch import Tensor

from ...methods.boxes import upcast
from .ground_truth import ChecksGroundTruth


class FCOS(ChecksGroundTruth, meta_arch.FCOS):
    """Detectron2's ``FCOS``; see :class:`ChecksGroundTruth` for the difference.

    Its head is Detectron2's ``FCOSHead`` or a :class:`.head.CenternessHead`. What the head predicts
    in half precision is taken to float32, which Detectron2's GIoU loss needs. Points are laid on
    the maps of the predictions, as in :class:`.retinanet.RetinaNet`.
    """

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Sequence[list[Tensor]],
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        predictions = [[upcast(x) for x in maps] for maps in predictions]
        return super().forward_training(images, predictions[0], predictions, gt_instances)

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Sequence[list[Tensor]]
    ) -> list[Instances]:
        predictions = [[upcast(x) for x in maps] for maps in predictions]
        return super().forward_inference(images, predictions[0], predictions)
