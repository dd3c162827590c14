"""FSAF (https://arxiv.org/abs/1903.00621) on Detectron2's detectors: alone and beside RetinaNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from ...methods.boxes import upcast
from ..inclusive import InclusiveBoxes
from .anchor_free import AnchorFreeBranch
from .dense import above, choose, suppress
from .ground_truth import ChecksGroundTruth
from .retinanet import RetinaNet


class FSAF(ChecksGroundTruth, InclusiveBoxes, DenseDetector):
    """The anchor-free branch alone, as the authors of SEPC train it.

    Its head is a :class:`.head.SEPCHead` with ``box_bias=1``, so that the ReLU starts open.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        num_classes: int,
        pos_scale: float = 0.2,
        neg_scale: float = 0.2,
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.5,
        max_detections_per_image: int = 100,
        inclusive_boxes: bool = False,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        """See :class:`AnchorFreeBranch` and :class:`RetinaNet` for the arguments."""
        super().__init__(
            backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std
        )
        self.num_classes = num_classes
        self.inclusive_boxes = inclusive_boxes
        self.anchor_free = AnchorFreeBranch(
            strides=_strides(self),
            num_classes=num_classes,
            pos_scale=pos_scale,
            neg_scale=neg_scale,
            focal_loss_alpha=focal_loss_alpha,
            focal_loss_gamma=focal_loss_gamma,
        )
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Sequence[list[Tensor]],
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        logits, distances = self._transpose_dense_predictions(predictions, [self.num_classes, 4])
        cls, box = self.anchor_free.losses(
            predictions[0],
            logits,
            distances,
            images.image_sizes,
            gt_instances,
            divisibility=self.backbone.size_divisibility,
        )
        return {"loss_cls": cls, "loss_box_reg": box}

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Sequence[list[Tensor]]
    ) -> list[Instances]:
        logits, distances = self._transpose_dense_predictions(predictions, [self.num_classes, 4])
        return _detect(self, images, self.anchor_free.boxes(predictions[0], distances), logits)


class FSAFRetinaNet(RetinaNet):
    """The anchor-free branch beside an anchor-based one, as the FSAF paper has it (Sec 3.4).

    Both learn, the anchor-free one with the weight 0.5; in inference the candidates of both go
    through one NMS. Its head is a :class:`.head.TwoBranchHead`.
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

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Sequence[list[Tensor]],
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        losses = super().forward_training(images, features, predictions[:2], gt_instances)
        logits, distances = self._transpose_dense_predictions(
            predictions[2:], [self.num_classes, 4]
        )
        cls, box = self.anchor_free.losses(
            predictions[0],
            logits,
            distances,
            images.image_sizes,
            gt_instances,
            divisibility=self.backbone.size_divisibility,
        )
        return {
            **losses,
            "loss_free_cls": self.anchor_free_weight * cls,
            "loss_free_box_reg": self.anchor_free_weight * box,
        }

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Sequence[list[Tensor]]
    ) -> list[Instances]:
        logits, deltas, free_logits, distances = self._transpose_dense_predictions(
            predictions, [self.num_classes, 4] * 2
        )
        boxes = [
            self.box2box_transform.apply_deltas(
                upcast(x).flatten(0, 1), anchors.tensor.repeat(len(x), 1)
            ).view_as(x)
            for x, anchors in zip(deltas, self.anchor_generator(predictions[0]), strict=True)
        ]
        free_boxes = self.anchor_free.boxes(predictions[0], distances)
        return _detect(self, images, boxes + free_boxes, logits + free_logits)


def _strides(detector: DenseDetector) -> list[int]:
    shapes = detector.backbone.output_shape()
    return [shapes[name].stride for name in detector.head_in_features]


def _detect(
    detector: FSAF | FSAFRetinaNet,
    images: ImageList,
    boxes: list[Tensor],
    logits: list[Tensor],
) -> list[Instances]:
    """Detections from boxes (N, Rl, 4) and logits (N, Rl, K) of one branch's levels or two's."""
    scores = [above(upcast(x).sigmoid(), detector.test_score_thresh) for x in logits]
    return [
        suppress(
            choose(
                [x[image] for x in boxes],
                [x[image] for x in scores],
                topk=detector.test_topk_candidates,
                image_size=image_size,
            ),
            iou_threshold=detector.test_nms_thresh,
            max_detections=detector.max_detections_per_image,
        )
        for image, image_size in enumerate(images.image_sizes)
    ]
