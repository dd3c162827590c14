"""Detectors in a form that can be exported, and their own detections in the same form."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.evaluation import inference_context
from detectron2.export import TracingAdapter
from detectron2.modeling import GeneralizedRCNN, meta_arch
from torch import Tensor, nn

from ...export.decode import select_detections, top_candidates
from ...inference import optimize_for_inference
from ..detectors.base import LevelPredictions, PyramidDetector
from ..detectors.fcos import fcos_levels
from ..detectors.retinanet import retinanet_levels

# Detectron2's own detectors, which do not predict level by level.
_LEVELS: dict[type[nn.Module], Callable[..., list[LevelPredictions]]] = {
    meta_arch.RetinaNet: retinanet_levels,
    meta_arch.FCOS: fcos_levels,
}


class ExportableDetector(nn.Module):
    """Dense detector as tensors in, tensors out, for every exporter and with sizes of any kind.

    Backbone and head are the model's own, with norms folded; padding, decoding and the choice of
    detections do the same as its own with shapes that an exporter can follow (see
    :mod:`sepc.export.decode`), and with plain tensors in place of ``Instances``.
    """

    def __init__(self, model: nn.Module, *, batched: bool = False) -> None:
        """
        Args:
            model: a detector of this package, or Detectron2's own RetinaNet or FCOS; copied, the
                original stays as it is.
            batched: take several images of one size; see :meth:`forward`.

        Raises:
            ValueError: for a model of another kind.
        """
        super().__init__()
        if not isinstance(model, (PyramidDetector, *_LEVELS)):
            raise ValueError(
                f"expected a dense detector, got {type(model).__name__}: neither a PyramidDetector "
                "nor Detectron2's RetinaNet or FCOS"
            )
        self.model: Any = optimize_for_inference(model)
        self.batched = batched

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detections, the highest score first.

        Args:
            images: (3, H, W), or (N, 3, H, W) if ``batched``, in the model's ``input_format``,
                values from 0 to 255.

        Returns:
            boxes (D, 4) in pixels of the image, scores (D,) and classes (D,); if ``batched`` those
            of all images together, and which image each is of (D,).
        """
        images = images if self.batched else images[None]
        model = self.model
        features = model.backbone(preprocess(model, images))
        features = [features[name] for name in model.head_in_features]
        levels = _predict_levels(model, model.head(features))
        candidates = [_candidates(x, model.test_topk_candidates) for x in levels]
        boxes, scores, classes = (torch.cat(part, dim=1) for part in zip(*candidates, strict=True))
        owners, chosen = select_detections(
            boxes,
            scores,
            classes,
            num_classes=model.num_classes,
            score_thresh=0.0,
            nms_thresh=model.test_nms_thresh,
            max_detections=model.max_detections_per_image,
        )
        clipped = clip(boxes[owners, chosen], images.shape[-2], images.shape[-1])
        width, height = (clipped[:, 2:] - clipped[:, :2]).unbind(dim=1)
        visible = torch.nonzero((width > 0) & (height > 0)).squeeze(1)
        owners, chosen = owners[visible], chosen[visible]
        found = clipped[visible], scores[owners, chosen], classes[owners, chosen]
        return (*found, owners) if self.batched else found


def preprocess(model: Any, images: Tensor) -> Tensor:
    """Normalize and pad (N, 3, H, W); no exporter follows how the model's own does."""
    height, width = images.shape[-2], images.shape[-1]
    constraints = model.backbone.padding_constraints
    divisor = constraints.get("size_divisibility", model.backbone.size_divisibility) or 1
    square = constraints.get("square_size", 0)
    bottom = (square or (height + divisor - 1) // divisor * divisor) - height
    right = (square or (width + divisor - 1) // divisor * divisor) - width
    normalized = (images - model.pixel_mean) / model.pixel_std
    return F.pad(normalized, (0, right, 0, bottom))


def _predict_levels(
    model: nn.Module, predictions: Sequence[list[Tensor]]
) -> list[LevelPredictions]:
    if isinstance(model, PyramidDetector):
        return model.predict_levels(predictions)
    return next(f for kind, f in _LEVELS.items() if isinstance(model, kind))(model, predictions)


def _candidates(level: LevelPredictions, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Best candidates of one level: boxes (N, P, 4), scores (N, P) and classes (N, P)."""
    scores, positions, classes = top_candidates(level.scores, limit)
    rows = positions[..., None]
    outputs = [x.gather(1, rows.expand(-1, -1, x.shape[-1])).flatten(0, 1) for x in level.outputs]
    boxes = level.decode(level.anchors[positions.flatten()], *outputs)
    return boxes.view(*scores.shape, 4), scores, classes


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Clip boxes (R, 4) to an image."""
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    x1, x2 = x1.clamp(0, width), x2.clamp(0, width)
    y1, y2 = y1.clamp(0, height), y2.clamp(0, height)
    return torch.stack((x1, y1, x2, y2), dim=1)


def traceable_rcnn(model: GeneralizedRCNN, example: Tensor) -> nn.Module:
    """Module from (3, H, W) to boxes, scores, classes, and masks if there are: for TorchScript.

    The shapes of a two-stage detector depend on the image from the proposals on. A trace follows
    them, as Detectron2's code sees to.

    Args:
        model: Faster, Mask or Cascade R-CNN; copied, the original stays as it is.
        example: an image.
    """
    # the adapter is a new module and so in training mode
    return TracingAdapter(optimize_for_inference(model), [{"image": example}], _infer_rcnn).eval()


def has_masks(model: nn.Module) -> bool:
    """Whether it is a two-stage detector that predicts masks."""
    return bool(getattr(getattr(model, "roi_heads", None), "mask_on", False))


def detect(model: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
    """Detections of the model itself in one image, in the form in which the file gives them."""
    with inference_context(model), torch.no_grad():
        if isinstance(model, GeneralizedRCNN):
            return _infer_rcnn(model, [{"image": image}])
        found = model([{"image": image}])[0]["instances"]
        return found.pred_boxes.tensor, found.scores, found.pred_classes


def _infer_rcnn(model: Any, inputs: Sequence[dict[str, Tensor]]) -> tuple[Tensor, ...]:
    found = model.inference(inputs, do_postprocess=False)[0]
    outputs = (found.pred_boxes.tensor, found.scores, found.pred_classes)
    return (*outputs, found.pred_masks) if has_masks(model) else outputs
