"""GFL (https://arxiv.org/abs/2006.04388)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...methods.gfl import decode_distributions, gfl_losses
from .atss_base import ATSSBase
from .base import process_average, scores_above
from .labels import LabeledAnchors


class GFL(ATSSBase):
    """GFL, with quality focal, GIoU and distribution focal losses.

    Its head is a :class:`.heads.SEPCHead` with ``box_dim=4 * (num_bins + 1)``.
    """

    def __init__(
        self,
        *,
        num_bins: int = 16,
        quality_focal_loss_beta: float = 2.0,
        distribution_loss_weight: float = 0.25,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            num_bins: B, the largest distance from the center of an anchor to a side, in strides.
            quality_focal_loss_beta: see :func:`~sepc.methods.gfl.quality_focal_loss`.
            distribution_loss_weight: of the distribution focal loss.
            kwargs: see :class:`.atss_base.ATSSBase`.
        """
        super().__init__(**kwargs)
        self.quality_focal_loss_beta = quality_focal_loss_beta
        self.distribution_loss_weight = distribution_loss_weight
        self.prediction_dims = [self.num_classes, 4 * (num_bins + 1)]

    def losses(self, predictions: list[Tensor], targets: LabeledAnchors) -> dict[str, Tensor]:
        logits, distributions = predictions
        sums = gfl_losses(
            logits,
            distributions,
            targets.anchors,
            targets.strides,
            targets.labels,
            targets.boxes,
            beta=self.quality_focal_loss_beta,
        )
        total_weight = process_average(sums.total_weight)
        return {
            "loss_cls": sums.quality / process_average(sums.num_positives),
            "loss_box_reg": self.box_loss_weight * sums.box / total_weight,
            "loss_distribution": self.distribution_loss_weight * sums.distribution / total_weight,
        }

    def boxes(self, anchors: Tensor, predictions: Sequence[Tensor], stride: int) -> Tensor:
        strides = torch.full_like(anchors[:, 0], stride)  # len() would be fixed in a trace
        return decode_distributions(anchors, strides, predictions[1])

    def scores(self, predictions: Sequence[Tensor]) -> Tensor:
        return scores_above(predictions[0].sigmoid(), self.test_score_thresh)
