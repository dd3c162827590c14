"""The frame of the detectors whose anchors ATSS assigns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from ...methods.atss import atss_assign
from .dense import LabeledAnchors, choose, label_anchors, suppress
from .ground_truth import ChecksGroundTruth


class AssignedDetector(ChecksGroundTruth, DenseDetector):
    """Base of :class:`.atss.ATSS` and :class:`.gfl.GFL`: they say what is predicted and learned.

    Subclasses set ``prediction_dims``, numbers per anchor of each output of the head, and define
    :meth:`losses`, :meth:`boxes` and :meth:`scores`.
    """

    prediction_dims: list[int]

    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        anchor_generator: DefaultAnchorGenerator,
        num_classes: int,
        topk: int = 9,
        box_loss_weight: float = 2.0,
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.6,
        max_detections_per_image: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        """
        Args:
            anchor_generator: one square anchor per position.
            num_classes: K, without background.
            topk: see :func:`~sepc.methods.atss.atss_assign`.
            box_loss_weight: of the GIoU loss.

        Other arguments mean the same as in Detectron2's ``RetinaNet``.

        Raises:
            ValueError: if there is not one anchor per position.
        """
        super().__init__(
            backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std
        )
        if set(anchor_generator.num_anchors) != {1}:
            raise ValueError(
                f"expected one anchor per position, got {anchor_generator.num_anchors} by level"
            )
        self.anchor_generator = anchor_generator
        self.num_classes = num_classes
        self.topk = topk
        self.box_loss_weight = box_loss_weight
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image

    def losses(self, predictions: list[Tensor], targets: LabeledAnchors) -> dict[str, Tensor]:
        """Losses from the predictions of all levels, each (N, R, its dims)."""
        raise NotImplementedError

    def boxes(self, anchors: Tensor, predictions: Sequence[Tensor], stride: int) -> Tensor:
        """Boxes (R, 4) of one image and level from its anchors (R, 4) and predictions (R, dims)."""
        raise NotImplementedError

    def scores(self, predictions: Sequence[Tensor]) -> Tensor:
        """Scores (R, K) of one image and level; 0 below the threshold."""
        raise NotImplementedError

    def assign(
        self, anchors: Tensor, gt_boxes: Tensor, per_level: list[int], valid: Tensor
    ) -> Tensor:
        """Assignment (R,) of the anchors of one image."""
        return atss_assign(anchors, gt_boxes, per_level, topk=self.topk, valid=valid)

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Sequence[list[Tensor]],
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        flat = self._transpose_dense_predictions(predictions, self.prediction_dims)
        targets = label_anchors(
            self.anchor_generator,
            predictions[0],
            images.image_sizes,
            gt_instances,
            assign=self.assign,
            num_classes=self.num_classes,
            divisibility=self.backbone.size_divisibility,
        )
        return self.losses([torch.cat(levels, dim=1) for levels in flat], targets)

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Sequence[list[Tensor]]
    ) -> list[Instances]:
        levels = list(
            zip(
                *self._transpose_dense_predictions(predictions, self.prediction_dims),
                self.anchor_generator(predictions[0]),
                self.anchor_generator.strides,
                strict=True,
            )
        )
        results = []
        for image, image_size in enumerate(images.image_sizes):
            boxes, scores = [], []
            for *maps, anchors, stride in levels:
                own = [x[image] for x in maps]
                boxes.append(self.boxes(anchors.tensor, own, stride))
                scores.append(self.scores(own))
            candidates = choose(
                boxes, scores, topk=self.test_topk_candidates, image_size=image_size
            )
            results.append(
                suppress(
                    candidates,
                    iou_threshold=self.test_nms_thresh,
                    max_detections=self.max_detections_per_image,
                )
            )
        return results
