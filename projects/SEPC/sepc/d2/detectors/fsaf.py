"""FSAF (https://arxiv.org/abs/1903.00621): its anchor-free branch alone and beside RetinaNet."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from ...methods.fsaf import FSAFLosses, decode_btlr, fsaf_assign, fsaf_losses
from ...methods.targets import BACKGROUND
from ..mmdet1 import InclusiveBoxes
from .base import LevelPredictions, StandaloneDetector, flatten_levels, scores_above
from .labels import LabeledAnchors, label_anchors, lay_anchors
from .positives import Positives
from .retinanet import RetinaNet


class FSAF(StandaloneDetector, InclusiveBoxes, DenseDetector):
    """FSAF with the anchor-free branch alone, as the authors of SEPC train it.

    Its head is a :class:`.heads.SEPCHead` with ``box_bias=1``, so that the ReLU starts open.
    """

    assigns_by_loss = True

    def __init__(
        self,
        *,
        inclusive_boxes: bool = False,
        pos_scale: float = 0.2,
        neg_scale: float = 0.2,
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            inclusive_boxes: see :class:`~sepc.d2.mmdet1.InclusiveBoxes`.
            pos_scale, neg_scale, focal_loss_alpha, focal_loss_gamma: see :class:`AnchorFreeBranch`.
            kwargs: see :class:`.base.StandaloneDetector`.
        """
        super().__init__(**kwargs)
        self.inclusive_boxes = inclusive_boxes
        self.anchor_free = AnchorFreeBranch(
            strides=_strides(self),
            num_classes=self.num_classes,
            pos_scale=pos_scale,
            neg_scale=neg_scale,
            focal_loss_alpha=focal_loss_alpha,
            focal_loss_gamma=focal_loss_gamma,
        )

    def training_losses(
        self, images: ImageList, predictions: Sequence[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        cls, box = self.anchor_free.losses(
            predictions, images, gt_instances, divisibility=self.backbone.size_divisibility
        )
        return {"loss_cls": cls, "loss_box_reg": box}

    def positives(
        self, predictions: Sequence[list[Tensor]], image_size: tuple[int, int], gt: Instances
    ) -> Positives:
        losses, targets = self.anchor_free.losses_of_anchors(
            predictions, [image_size], [gt], divisibility=self.backbone.size_divisibility
        )
        assignment = torch.where(losses.kept[0], targets.assignment[0], BACKGROUND)
        return Positives.of_assignment(assignment, targets.per_level)

    def predict_levels(self, predictions: Sequence[list[Tensor]]) -> list[LevelPredictions]:
        return self.anchor_free.predict_levels(predictions, threshold=self.test_score_thresh)


class FSAFRetinaNet(RetinaNet):
    """RetinaNet with FSAF's anchor-free branch beside its own, as in the FSAF paper (Sec 3.4).

    Both learn, the anchor-free one with the weight 0.5; in inference the candidates of both go
    through one NMS. Its head is a :class:`.heads.FSAFHead`.
    """

    def __init__(
        self,
        *,
        pos_scale: float = 0.2,
        neg_scale: float = 0.5,
        anchor_free_weight: float = 0.5,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            pos_scale, neg_scale: see :class:`AnchorFreeBranch`.
            anchor_free_weight: of the losses of the anchor-free branch.
            kwargs: see Detectron2's ``RetinaNet``.
        """
        super().__init__(**kwargs)
        self.anchor_free_weight = anchor_free_weight
        self.anchor_free = AnchorFreeBranch(
            strides=_strides(self),
            num_classes=self.num_classes,
            pos_scale=pos_scale,
            neg_scale=neg_scale,
            focal_loss_alpha=self.focal_loss_alpha,
            focal_loss_gamma=self.focal_loss_gamma,
        )

    def training_losses(
        self, images: ImageList, predictions: Sequence[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        cls, box = self.anchor_free.losses(
            predictions[2:], images, gt_instances, divisibility=self.backbone.size_divisibility
        )
        return {
            **super().training_losses(images, predictions[:2], gt_instances),
            "loss_free_cls": self.anchor_free_weight * cls,
            "loss_free_box_reg": self.anchor_free_weight * box,
        }

    def predict_levels(self, predictions: Sequence[list[Tensor]]) -> list[LevelPredictions]:
        free = self.anchor_free.predict_levels(predictions[2:], threshold=self.test_score_thresh)
        return super().predict_levels(predictions[:2]) + free


class AnchorFreeBranch(nn.Module):
    """Losses and boxes of the anchor-free predictions; a module without parameters.

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
        predictions: Sequence[list[Tensor]],
        images: ImageList,
        gt_instances: Sequence[Instances],
        *,
        divisibility: int,
    ) -> tuple[Tensor, Tensor]:
        """Classification and box loss, over the kept positives of this process, at least 1.

        Unlike the official code, which divides by zero where there is none.

        Args:
            predictions: logits, L maps (N, K, Hl, Wl), and distances before the ReLU, L maps
                (N, 4, Hl, Wl).
            images: N, padded.
            gt_instances: N.
            divisibility: see :func:`.labels.label_anchors`.
        """
        losses, _ = self.losses_of_anchors(
            predictions, images.image_sizes, gt_instances, divisibility=divisibility
        )
        num_kept = losses.kept.sum().clamp(min=1)
        return losses.cls.sum() / num_kept, losses.box.sum() / num_kept

    def losses_of_anchors(
        self,
        predictions: Sequence[list[Tensor]],
        image_sizes: Sequence[tuple[int, int]],
        gt_instances: Sequence[Instances],
        *,
        divisibility: int,
    ) -> tuple[FSAFLosses, LabeledAnchors]:
        """Losses of each anchor, and what each was to predict; arguments as of :meth:`losses`."""
        targets = label_anchors(
            self.generator,
            predictions[0],
            image_sizes,
            gt_instances,
            assign=self._assign,
            num_classes=self.num_classes,
            divisibility=divisibility,
        )
        flat = flatten_levels(predictions, [self.num_classes, 4])
        logits, distances = (torch.cat(levels, dim=1) for levels in flat)
        losses = fsaf_losses(
            logits,
            F.relu(distances),
            targets.anchors,
            targets.assignment,
            targets.labels,
            targets.boxes,
            num_gts=[len(x) for x in gt_instances],
            num_anchors_per_level=targets.per_level,
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
        )
        return losses, targets

    def predict_levels(
        self, predictions: Sequence[list[Tensor]], *, threshold: float
    ) -> list[LevelPredictions]:
        """Scores of every level, and what its boxes are decoded from.

        Args:
            predictions: see :meth:`losses`.
            threshold: of the scores.
        """
        logits, distances = flatten_levels(predictions, [self.num_classes, 4])
        anchors = lay_anchors(self.generator, predictions[0])
        return [
            LevelPredictions(scores_above(x.sigmoid(), threshold), a, (d,), _decode)
            for x, a, d in zip(logits, anchors, distances, strict=True)
        ]


def _decode(anchors: Tensor, distances: Tensor) -> Tensor:
    return decode_btlr(anchors, F.relu(distances))


def _strides(detector: DenseDetector) -> list[int]:
    shapes = detector.backbone.output_shape()
    return [shapes[name].stride for name in detector.head_in_features]
