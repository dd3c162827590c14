"""ATSS (https://arxiv.org/abs/1912.02424)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...methods.atss import atss_losses
from ...methods.boxes import decode_deltas
from .atss_base import ATSSBase
from .base import process_average, scores_above
from .labels import LabeledAnchors


class ATSS(ATSSBase):
    """ATSS, with focal, GIoU and centerness losses on a :class:`.heads.CenternessHead`."""

    def __init__(
        self,
        *,
        delta_weights: Sequence[float] = (10.0, 10.0, 5.0, 5.0),
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            delta_weights: see :func:`~sepc.methods.boxes.encode_deltas`.
            focal_loss_alpha, focal_loss_gamma: see :func:`~sepc.methods.focal.focal_loss`.
            kwargs: see :class:`.atss_base.ATSSBase`.
        """
        super().__init__(**kwargs)
        self.delta_weights = tuple(delta_weights)
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma
        self.prediction_dims = [self.num_classes, 4, 1]

    def losses(self, predictions: list[Tensor], targets: LabeledAnchors) -> dict[str, Tensor]:
        logits, deltas, centerness = predictions
        sums = atss_losses(
            logits,
            deltas,
            centerness.squeeze(-1),
            targets.anchors,
            targets.labels,
            targets.boxes,
            delta_weights=self.delta_weights,
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
        )
        # Unlike mmdetection: an image without positives does not count as having one.
        num_positives = process_average(sums.num_positives)
        box = sums.box / process_average(sums.total_centerness)
        return {
            "loss_cls": sums.cls / num_positives,
            "loss_box_reg": self.box_loss_weight * box,
            "loss_centerness": sums.centerness / num_positives,
        }

    def boxes(self, anchors: Tensor, predictions: Sequence[Tensor], stride: int) -> Tensor:
        return decode_deltas(anchors, predictions[1], self.delta_weights)

    def scores(self, predictions: Sequence[Tensor]) -> Tensor:
        logits, _, centerness = predictions
        return scores_above(logits.sigmoid(), self.test_score_thresh, centerness.sigmoid())
