"""FSAF's anchor-free branch (https://arxiv.org/abs/1903.00621), for detectors that have one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.structures import Instances
from torch import Tensor, nn

from ...methods.fsaf import decode_btlr, fsaf_assign, fsaf_losses
from .dense import label_anchors


class AnchorFreeBranch(nn.Module):
    """What the anchor-free predictions learn and mean; without parameters.

    The predictions are logits and distances to the bottom, top, left and right side, in strides,
    which a ReLU keeps from being negative.
    """

    def __init__(
        self,
        *,
        strides: Sequence[int],
        num_classes: int,
        pos_scale: float = 0.2,
        neg_scale: float = 0.2,
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
    ) -> None:
        """
        Args:
            strides: L, of the levels.
            num_classes: K, without background.
            pos_scale, neg_scale: see :func:`~sepc.methods.fsaf.fsaf_assign`.
            focal_loss_alpha, focal_loss_gamma: see :func:`~sepc.methods.focal.focal_loss`.
        """
        super().__init__()
        self.generator = DefaultAnchorGenerator(
            sizes=[[s] for s in strides], aspect_ratios=[1.0], strides=list(strides), offset=0.5
        )
        self.num_classes = num_classes
        self.pos_scale = pos_scale
        self.neg_scale = neg_scale
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma

    def _assign(
        self, anchors: Tensor, gt_boxes: Tensor, _per_level: list[int], _valid: Tensor
    ) -> Tensor:
        return fsaf_assign(anchors, gt_boxes, pos_scale=self.pos_scale, neg_scale=self.neg_scale)

    def losses(
        self,
        features: Sequence[Tensor],
        logits: Sequence[Tensor],
        distances: Sequence[Tensor],
        image_sizes: Sequence[tuple[int, int]],
        gt_instances: Sequence[Instances],
        *,
        divisibility: int,
    ) -> tuple[Tensor, Tensor]:
        """Classification and box loss, over the kept positives of this process, at least 1.

        Unlike the official code, which divides by zero where there is none.

        Args:
            features: L maps of the sizes on which the anchors are laid.
            logits: L tensors (N, Rl, K).
            distances: L tensors (N, Rl, 4), before the ReLU.
            image_sizes: N times height and width.
            gt_instances: N.
            divisibility: see :func:`.dense.label_anchors`.
        """
        targets = label_anchors(
            self.generator,
            features,
            image_sizes,
            gt_instances,
            assign=self._assign,
            num_classes=self.num_classes,
            divisibility=divisibility,
        )
        losses = fsaf_losses(
            torch.cat(list(logits), dim=1),
            F.relu(torch.cat(list(distances), dim=1)),
            targets.anchors,
            targets.assignment,
            targets.labels,
            targets.boxes,
            num_gts=[len(x) for x in gt_instances],
            num_anchors_per_level=targets.per_level,
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
        )
        num_kept = losses.kept.sum().clamp(min=1)
        return losses.cls.sum() / num_kept, losses.box.sum() / num_kept

    def boxes(self, features: Sequence[Tensor], distances: Sequence[Tensor]) -> list[Tensor]:
        """L tensors (N, Rl, 4): the boxes of distances shaped so."""
        anchors = self.generator(features)
        return [
            decode_btlr(a.tensor.expand_as(x), F.relu(x))
            for a, x in zip(anchors, distances, strict=True)
        ]
