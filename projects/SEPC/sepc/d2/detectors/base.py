"""Base classes of the detectors: checks of ground truth, labeled anchors, losses, inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from detectron2.layers import batched_nms
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils import comm
from torch import Tensor, nn

from ...export.decode import at_most
from ...layers import GuidedLosses
from ...methods.anchors import cells_on_image, grid_anchors
from ...methods.atss import atss_assign
from ...methods.boxes import upcast
from ...methods.targets import IGNORED, anchor_targets, check_targets

# (anchors (R, 4), gt_boxes (M, 4), anchors per level, valid (R,)) -> assignment (R,)
Assign = Callable[[Tensor, Tensor, list[int], Tensor], Tensor]


class LevelPredictions(NamedTuple):
    """Predictions of one level for N images, before any candidate is chosen.

    Attributes:
        scores: (N, Rl, K); 0 for what is below the threshold, which is not always on this score.
        anchors: (Rl, 4).
        outputs: each (N, Rl, D), what the head predicts there.
        decode: anchors (P, 4) and outputs (P, D) of P positions -> boxes (P, 4).
    """

    scores: Tensor
    anchors: Tensor
    outputs: tuple[Tensor, ...]
    decode: Callable[..., Tensor]


class Positives(NamedTuple):
    """Positive anchors of one image.

    Attributes:
        levels: (P,), index of the level of each.
        gt: (P,), index of its ground truth.
    """

    levels: Tensor
    gt: Tensor

    @classmethod
    def of_assignment(cls, assignment: Tensor, per_level: Sequence[int]) -> Positives:
        """Positives of an assignment (R,) of the anchors of L levels."""
        anchors = (assignment >= 0).nonzero().squeeze(1)
        return cls.of_anchors(anchors, assignment[anchors], per_level)

    @classmethod
    def of_anchors(cls, anchors: Tensor, gt: Tensor, per_level: Sequence[int]) -> Positives:
        """Positives from their indices (P,) among the anchors of L levels."""
        ends = torch.tensor(per_level, device=anchors.device).cumsum(0)
        return cls(torch.bucketize(anchors, ends, right=True), gt)


class PyramidDetector(DenseDetector):
    """Detectron2's ``DenseDetector`` with checked ground truth and one form of inference.

    Subclasses define :meth:`predict_levels`, which inference and export share, and
    :meth:`training_losses`. In front of a detector of Detectron2 among the base classes the losses
    are those of that detector.

    Anchors are laid on the maps of the predictions, which are smaller than those that the head
    reads where its trunk does not pad (``head_padding="valid"``). What the head predicts in half
    precision is taken to float32. A backbone with losses of its own gives them by ``take_losses``,
    as :class:`~sepc.d2.backbones.denoising_fpn.DenoisingFPN` does.
    """

    #: Whether the level of an object is chosen by the loss of what is predicted.
    assigns_by_loss = False

    num_classes: int
    test_score_thresh: float
    test_topk_candidates: int
    test_nms_thresh: float
    max_detections_per_image: int

    def __init__(
        self, *args: Any, guided_losses: GuidedLosses | None = None, **kwargs: Any
    ) -> None:
        """
        Args:
            guided_losses: weighs the losses in training; None adds them up as they are.
            args, kwargs: see the next base class.
        """
        super().__init__(*args, **kwargs)
        self.guided_losses = guided_losses

    def forward(self, batched_inputs: Sequence[dict[str, Any]]) -> Any:
        """As :meth:`DenseDetector.forward`.

        Raises:
            ValueError: in training, for an image without instances or with malformed ones.
        """
        if self.training:
            batched_inputs = usable_ground_truth(batched_inputs, num_classes=self.num_classes)
        return super().forward(batched_inputs)

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Sequence[list[Tensor]],
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        """As :meth:`DenseDetector.forward_training`; see :meth:`training_losses`."""
        losses = self.training_losses(images, predictions, gt_instances)
        if self.guided_losses is not None:
            losses = self.guided_losses(losses)
        take_losses = getattr(self.backbone, "take_losses", dict)
        return {**losses, **take_losses()}

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Sequence[list[Tensor]]
    ) -> list[Instances]:
        """Detections of N images, in pixels of the images as they come in."""
        levels = self.predict_levels(predictions)
        return [
            nms_per_class(
                topk_candidates(
                    levels, image, limit=self.test_topk_candidates, image_size=image_size
                ),
                iou_threshold=self.test_nms_thresh,
                max_detections=self.max_detections_per_image,
            )
            for image, image_size in enumerate(images.image_sizes)
        ]

    def training_losses(
        self, images: ImageList, predictions: Sequence[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        """Losses of a batch by name.

        Args:
            images: N, padded.
            predictions: what the head returns: each L maps (N, A * D, Hl, Wl).
            gt_instances: N, with ``gt_boxes`` and ``gt_classes``.
        """
        full = [[upcast(x) for x in maps] for maps in predictions]
        return super().forward_training(images, predictions[0], full, gt_instances)

    def predict_levels(self, predictions: Sequence[list[Tensor]]) -> list[LevelPredictions]:
        """Scores of every level, and what its boxes are decoded from.

        Args:
            predictions: what the head returns: each L maps (N, A * D, Hl, Wl).
        """
        raise NotImplementedError

    def positives(
        self, predictions: Sequence[list[Tensor]], image_size: tuple[int, int], gt: Instances
    ) -> Positives:
        """Anchors that learn an object of one image, as the training has them.

        Args:
            predictions: what the head returns: each L maps (1, A * D, Hl, Wl). Only their sizes
                count, unless ``assigns_by_loss``.
            image_size: height and width.
            gt: M, with ``gt_boxes`` and ``gt_classes``.
        """
        raise NotImplementedError


class ATSSBase(PyramidDetector):
    """Base of :class:`.atss.ATSS`, :class:`.gfl.GFL` and others with one anchor per position.

    Subclasses set ``prediction_dims``, the number D of predictions per anchor of each output of the
    head, and define :meth:`losses`, :meth:`boxes` and :meth:`scores`. Anchors are assigned by ATSS;
    another rule overrides :meth:`assign`.
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
        guided_losses: GuidedLosses | None = None,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        """
        Args:
            anchor_generator: one square anchor per position.
            num_classes: K, without background.
            topk: see :func:`~sepc.methods.atss.atss_assign`.
            box_loss_weight: of the GIoU loss.
            guided_losses: see :class:`PyramidDetector`.

        Other arguments mean the same as in Detectron2's ``RetinaNet``.

        Raises:
            ValueError: if there is not one anchor per position.
        """
        super().__init__(
            backbone,
            head,
            head_in_features,
            guided_losses=guided_losses,
            pixel_mean=pixel_mean,
            pixel_std=pixel_std,
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


class LabeledAnchors(NamedTuple):
    """Anchors of a batch and what each is to predict; see :mod:`sepc.methods`.

    Attributes:
        anchors: (R, 4).
        strides: (R,), of the level of each anchor.
        per_level: L numbers of anchors that sum to R.
        assignment: (N, R).
        labels: (N, R).
        boxes: (N, R, 4).
    """

    anchors: Tensor
    strides: Tensor
    per_level: list[int]
    assignment: Tensor
    labels: Tensor
    boxes: Tensor


def label_anchors(
    generator: DefaultAnchorGenerator,
    maps: Sequence[Tensor],
    image_sizes: Sequence[tuple[int, int]],
    gt_instances: Sequence[Instances],
    *,
    assign: Assign,
    num_classes: int,
    divisibility: int,
) -> LabeledAnchors:
    """Anchors of a batch with their labels; those on the padding are ignored.

    As in the reference codebases an image counts with its own padding, up to the next multiple of
    ``divisibility``.

    Args:
        generator: of one anchor per position.
        maps: L, of the sizes on which the anchors are laid.
        image_sizes: N times height and width.
        gt_instances: N, with ``gt_boxes`` and ``gt_classes``.
        assign: which anchor belongs to which ground truth of an image.
        num_classes: K.
        divisibility: of the sizes of images by themselves, in pixels.
    """
    levels = lay_anchors(generator, maps)
    per_level = [len(x) for x in levels]
    anchors = torch.cat(levels)
    strides = torch.cat(
        [x.new_full((len(x),), s) for x, s in zip(levels, generator.strides, strict=True)]
    )
    found = []
    for image_size, gt in zip(image_sizes, gt_instances, strict=True):
        height, width = (_round_up(side, divisibility) for side in image_size)
        valid = torch.cat(
            [
                cells_on_image((x.shape[2], x.shape[3]), stride, (height, width), device=x.device)
                for x, stride in zip(maps, generator.strides, strict=True)
            ]
        )
        boxes = gt.gt_boxes.tensor
        assignment = assign(anchors, boxes, per_level, valid).masked_fill(~valid, IGNORED)
        labels, matched = anchor_targets(assignment, boxes, gt.gt_classes, num_classes=num_classes)
        found.append((assignment, labels, matched))
    assignments, labels, matched = (torch.stack(x) for x in zip(*found, strict=True))
    return LabeledAnchors(anchors, strides, per_level, assignments, labels, matched)


def _round_up(side: int, divisibility: int) -> int:
    return -(-side // divisibility) * divisibility if divisibility > 1 else side


def lay_anchors(generator: DefaultAnchorGenerator, maps: Sequence[Tensor]) -> list[Tensor]:
    """Anchors of L maps, L tensors (Rl, 4), with sizes that ``torch.export`` follows.

    The generator itself counts in pixels, from which the number of cells has to be derived.
    """
    return [
        grid_anchors(cell_anchors + generator.offset * stride, (x.shape[-2], x.shape[-1]), stride)
        for cell_anchors, stride, x in zip(
            generator.cell_anchors, generator.strides, maps, strict=True
        )
    ]


def flatten_levels(
    predictions: Sequence[list[Tensor]], dims: Sequence[int]
) -> list[tuple[Tensor, ...]]:
    """L maps (N, A * D, Hl, Wl) of each kind -> L tensors (N, Hl * Wl * A, D), in float32.

    Detectron2 leaves a size to be inferred, from which an exporter has to prove that it divides.
    """

    def flat(x: Tensor, dim: int) -> Tensor:
        x = upcast(x)
        number, channels, height, width = x.shape
        return x.permute(0, 2, 3, 1).reshape(number, height * width * (channels // dim), dim)

    return [tuple(flat(x, dim) for x in maps) for maps, dim in zip(predictions, dims, strict=True)]


def scores_above(scores: Tensor, threshold: float, *factors: Tensor) -> Tensor:
    """``scores`` times ``factors`` where the score itself is above the threshold, 0 elsewhere."""
    product = scores
    for factor in factors:
        product = product * factor
    return torch.where(scores > threshold, product, 0)


def topk_candidates(
    levels: Sequence[LevelPredictions], image: int, *, limit: int, image_size: tuple[int, int]
) -> Instances:
    """Candidates of one image for NMS: the best positions and classes of each level, decoded.

    Args:
        levels: L.
        image: its index in the batch.
        limit: candidates per level at most; what scores 0 is none.
        image_size: height and width.
    """
    found = []
    for level in levels:
        scores = level.scores[image]
        positions, classes = torch.nonzero(scores > 0).unbind(dim=1)
        best, order = scores[positions, classes].topk(at_most(positions.shape[0], limit))
        positions = positions[order]
        outputs = [x[image][positions] for x in level.outputs]
        boxes = level.decode(level.anchors[positions], *outputs)
        found.append((boxes, best, classes[order]))
    boxes, best, classes = (torch.cat(x) for x in zip(*found, strict=True))
    return Instances(image_size, pred_boxes=Boxes(boxes), scores=best, pred_classes=classes)


def nms_per_class(candidates: Instances, *, iou_threshold: float, max_detections: int) -> Instances:
    """Candidates left by NMS within each class, ``max_detections`` at most, best first."""
    keep = batched_nms(
        candidates.pred_boxes.tensor, candidates.scores, candidates.pred_classes, iou_threshold
    )
    return candidates[keep[:max_detections]]


def process_average(count: Tensor) -> Tensor:
    """Mean of a scalar over all processes, at least 1: what a sum of losses is divided by."""
    count = count.detach()
    if comm.get_world_size() > 1:
        count = count / comm.get_world_size()
        dist.all_reduce(count)
    return count.clamp(min=1)


def usable_ground_truth(
    batched_inputs: Sequence[dict[str, Any]], *, num_classes: int
) -> list[dict[str, Any]]:
    """Copies of inputs whose instances are checked and all have area on the image.

    Unlike Detectron2's own detectors: a class out of range is an error that names the image, and
    boxes without area or wholly outside the image are left out. Detectron2's RetinaNet would match
    such a box, which no anchor overlaps, to every anchor.

    Args:
        batched_inputs: as Detectron2's ``DatasetMapper`` makes them.
        num_classes: K.

    Raises:
        ValueError: names the image by its file, or its index in the batch.
    """
    names = [x.get("file_name") or f"image {i}" for i, x in enumerate(batched_inputs)]
    for name, x in zip(names, batched_inputs, strict=True):
        if "instances" not in x:
            raise ValueError(f"{name}: expected instances to train on, got none")
    instances: list[Instances] = [x["instances"] for x in batched_inputs]
    check_targets(
        [x.gt_boxes.tensor for x in instances],
        [x.gt_classes for x in instances],
        num_classes=num_classes,
        names=names,
    )
    return [
        {**x, "instances": gt[_has_area_on_image(gt.gt_boxes.tensor, gt.image_size)]}
        for x, gt in zip(batched_inputs, instances, strict=True)
    ]


def _has_area_on_image(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Mask (M,) of boxes (M, 4) that have an area on the image."""
    height, width = image_size
    far = boxes.new_tensor([width, height])
    sides = boxes[:, 2:].minimum(far) - boxes[:, :2].clamp(min=0)
    return (sides > 0).all(dim=1)
