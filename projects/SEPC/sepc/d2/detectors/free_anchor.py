"""FreeAnchor (https://arxiv.org/abs/1909.02466)."""

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.structures import ImageList, Instances
from torch import Tensor

from ...methods.free_anchor import anchor_bags, free_anchor_losses
from .base import flatten_levels
from .labels import lay_anchors
from .positives import Positives
from .retinanet import RetinaNet


class FreeAnchor(RetinaNet):
    """RetinaNet that learns which anchors to match: no matcher, and losses of its own."""

    def __init__(
        self,
        *,
        bag_size: int = 50,
        iou_threshold: float = 0.6,
        box_loss_weight: float = 0.75,
        focal_loss_alpha: float = 0.5,
        focal_loss_gamma: float = 2.0,
        smooth_l1_beta: float = 0.11,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            bag_size: anchors in the bag of a ground truth.
            iou_threshold: of a decoded box, below which it does not count as localized.
            box_loss_weight: of the box loss within the localization probability.
            focal_loss_alpha: share of the positive loss.
            focal_loss_gamma: of the negative loss.
            smooth_l1_beta: where the box loss turns linear.
            kwargs: see Detectron2's ``RetinaNet``; there is no ``anchor_matcher``.
        """
        super().__init__(
            anchor_matcher=None,
            focal_loss_alpha=focal_loss_alpha,
            focal_loss_gamma=focal_loss_gamma,
            smooth_l1_beta=smooth_l1_beta,
            **kwargs,
        )
        self.bag_size = bag_size
        self.iou_threshold = iou_threshold
        self.box_loss_weight = box_loss_weight

    def training_losses(
        self, images: ImageList, predictions: Sequence[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        flat = flatten_levels(predictions, [self.num_classes, 4])
        logits, deltas = (torch.cat(levels, dim=1) for levels in flat)
        sums = free_anchor_losses(
            logits,
            deltas,
            torch.cat(lay_anchors(self.anchor_generator, predictions[0])),
            [x.gt_boxes.tensor for x in gt_instances],
            [x.gt_classes for x in gt_instances],
            delta_weights=self.box2box_transform.weights,
            bag_size=self.bag_size,
            threshold=self.iou_threshold,
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
            smooth_l1_beta=self.smooth_l1_beta,
            box_loss_weight=self.box_loss_weight,
        )
        num_gts = max(sums.num_gts, 1)  # of this process alone, as in the official code
        return {
            "loss_positive": sums.positive / num_gts,
            "loss_negative": sums.negative / (num_gts * self.bag_size),
        }

    def positives(
        self, predictions: Sequence[list[Tensor]], image_size: tuple[int, int], gt: Instances
    ) -> Positives:
        """Anchors of the bags; which of them learn an object, and how much, is learned."""
        levels = lay_anchors(self.anchor_generator, predictions[0])
        bags = anchor_bags(torch.cat(levels), gt.gt_boxes.tensor, bag_size=self.bag_size)
        owners = torch.arange(len(bags)).repeat_interleave(bags.shape[1])
        return Positives.of_anchors(bags.flatten(), owners, [len(x) for x in levels])
