"""Detectron2's two-stage detectors in the form that its tracing takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.export import TracingAdapter
from detectron2.modeling import GeneralizedRCNN
from torch import Tensor, nn

from ...inference import optimize_for_inference


def traceable_rcnn(model: GeneralizedRCNN, example: Tensor) -> nn.Module:
    """Module from (3, H, W) to boxes, scores, classes, and masks if there are: for TorchScript.

    The shapes of a two-stage detector depend on the image from the proposals on. A trace follows
    them, as Detectron2's code sees to.

    Args:
        model: Faster, Mask or Cascade R-CNN; copied, the original stays as it is.
        example: an image.
    """
    # its constructor takes over the training mode of nothing: a new module is in training mode
    return TracingAdapter(optimize_for_inference(model), [{"image": example}], _infer).eval()


def detect_rcnn(model: GeneralizedRCNN, image: Tensor) -> tuple[Tensor, ...]:
    """Detections of the model itself in one image, in the form of :func:`traceable_rcnn`."""
    was_training = model.training
    try:
        with torch.no_grad():
            return _infer(model.eval(), [{"image": image}])
    finally:
        model.train(was_training)


def has_masks(model: GeneralizedRCNN) -> bool:
    """Whether the model predicts masks."""
    return bool(getattr(model.roi_heads, "mask_on", False))


def _infer(model: Any, inputs: Sequence[dict[str, Tensor]]) -> tuple[Tensor, ...]:
    found = model.inference(inputs, do_postprocess=False)[0]
    outputs = (found.pred_boxes.tensor, found.scores, found.pred_classes)
    return (*outputs, found.pred_masks) if has_masks(model) else outputs
