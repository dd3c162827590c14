"""Base classes of the detectors: checks of ground truth, losses, inference."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from detectron2.layers import batched_nms
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils import comm
from torch import Tensor, nn

from ...export.decode import at_most
from ...layers import GuidedLosses
from ...methods.boxes import upcast
from ...methods.targets import check_targets
from .positives import Positives


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


class StandaloneDetector(PyramidDetector):
    """Base of the detectors that Detectron2 has no class of: it holds the settings of inference."""

    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module,
        head_in_features: Sequence[str] | None = None,
        num_classes: int,
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.5,
        max_detections_per_image: int = 100,
        guided_losses: GuidedLosses | None = None,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        """
        Args:
            num_classes: K, without background.
            guided_losses: see :class:`PyramidDetector`.

        Other arguments mean the same as in Detectron2's ``RetinaNet``.
        """
        super().__init__(
            backbone,
            head,
            head_in_features,
            guided_losses=guided_losses,
            pixel_mean=pixel_mean,
            pixel_std=pixel_std,
        )
        self.num_classes = num_classes
        self.test_score_thresh = test_score_thresh
        self.test_topk_candidates = test_topk_candidates
        self.test_nms_thresh = test_nms_thresh
        self.max_detections_per_image = max_detections_per_image


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
