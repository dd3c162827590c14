"""Base class of the detectors with one anchor per position, which ATSS assigns by default."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.structures import ImageList, Instances
from torch import Tensor

from ...methods.atss import atss_assign
from .base import LevelPredictions, StandaloneDetector, flatten_levels
from .labels import LabeledAnchors, label_anchors, lay_anchors
from .positives import Positives


class ATSSBase(StandaloneDetector):
    """Base of :class:`.atss.ATSS`, :class:`.gfl.GFL` and others with one anchor per position.

    Subclasses set ``prediction_dims``, the number D of predictions per anchor of each output of the
    head, and define :meth:`losses`, :meth:`boxes` and :meth:`scores`. Anchors are assigned by ATSS;
    another rule overrides :meth:`assign`.
    """

    prediction_dims: list[int]

    def __init__(
        self,
        *,
        anchor_generator: DefaultAnchorGenerator,
        topk: int = 9,
        box_loss_weight: float = 2.0,
        test_nms_thresh: float = 0.6,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            anchor_generator: one square anchor per position.
            topk: see :func:`~sepc.methods.atss.atss_assign`.
            box_loss_weight: of the GIoU loss.
            test_nms_thresh, kwargs: see :class:`.base.StandaloneDetector`.

        Raises:
            ValueError: if there is not one anchor per position.
        """
        super().__init__(test_nms_thresh=test_nms_thresh, **kwargs)
        if set(anchor_generator.num_anchors) != {1}:
            raise ValueError(
                f"expected one anchor per position, got {anchor_generator.num_anchors} by level"
            )
        self.anchor_generator = anchor_generator
        self.topk = topk
        self.box_loss_weight = box_loss_weight

    def losses(self, predictions: list[Tensor], targets: LabeledAnchors) -> dict[str, Tensor]:
        """Losses by name, from the predictions of all levels, each (N, R, its D)."""
        raise NotImplementedError

    def boxes(self, anchors: Tensor, predictions: Sequence[Tensor], stride: int) -> Tensor:
        """Boxes (P, 4) of positions of one level, from anchors (P, 4) and predictions (P, D)."""
        raise NotImplementedError

    def scores(self, predictions: Sequence[Tensor]) -> Tensor:
        """Scores (..., K) of one level, from its predictions (..., D); 0 below the threshold."""
        raise NotImplementedError

    def assign(
        self, anchors: Tensor, gt_boxes: Tensor, per_level: list[int], valid: Tensor
    ) -> Tensor:
        """Assignment (R,) of the anchors of one image to its ground truth, see ``Assign``."""
        return atss_assign(anchors, gt_boxes, per_level, topk=self.topk, valid=valid)

    def training_losses(
        self, images: ImageList, predictions: Sequence[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        targets = self._label(predictions, images.image_sizes, gt_instances)
        flat = flatten_levels(predictions, self.prediction_dims)
        return self.losses([torch.cat(levels, dim=1) for levels in flat], targets)

    def positives(
        self, predictions: Sequence[list[Tensor]], image_size: tuple[int, int], gt: Instances
    ) -> Positives:
        targets = self._label(predictions, [image_size], [gt])
        return Positives.of_assignment(targets.assignment[0], targets.per_level)

    def _label(
        self,
        predictions: Sequence[list[Tensor]],
        image_sizes: Sequence[tuple[int, int]],
        gt_instances: Sequence[Instances],
    ) -> LabeledAnchors:
        return label_anchors(
            self.anchor_generator,
            predictions[0],
            image_sizes,
            gt_instances,
            assign=self.assign,
            num_classes=self.num_classes,
            divisibility=self.backbone.size_divisibility,
        )

    def predict_levels(self, predictions: Sequence[list[Tensor]]) -> list[LevelPredictions]:
        def decoder(stride: int) -> Callable[..., Tensor]:
            return lambda anchors, *outputs: self.boxes(anchors, outputs, stride)

        flat = flatten_levels(predictions, self.prediction_dims)
        anchors = lay_anchors(self.anchor_generator, predictions[0])
        return [
            LevelPredictions(self.scores(outputs), own, outputs, decoder(stride))
            for outputs, own, stride in zip(
                zip(*flat, strict=True), anchors, self.anchor_generator.strides, strict=True
            )
        ]
