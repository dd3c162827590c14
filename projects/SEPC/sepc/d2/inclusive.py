"""Boxes of detectors that were trained by mmdetection 1.x, in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.structures import Boxes, Instances
from torch import Tensor


class InclusiveBoxes:
    """In front of a Detectron2 ``DenseDetector`` among the base classes: ``inclusive_boxes``.

    mmdetection 1.x counts the last pixel of a box in, at the scale of the annotation as well as at
    that of the network's input. It scales the corners in between, so a box that is w pixels wide
    becomes ``(w - 1) * scale + 1`` pixels, not ``w * scale``. A detector trained so predicts such
    boxes: with the option they are taken back to the width of the annotation, and in training the
    ground truth is given in the same way.
    """

    inclusive_boxes: bool
    training: bool

    def forward(self, batched_inputs: Sequence[dict[str, Any]]) -> Any:
        """As :meth:`DenseDetector.forward`; "height" and "width" of an input say its scale."""
        if not self.inclusive_boxes:
            return super().forward(batched_inputs)  # type: ignore[misc]
        if self.training:
            inputs = [
                {**x, "instances": _narrowed(x["instances"], _scale(x))} for x in batched_inputs
            ]
            return super().forward(inputs)  # type: ignore[misc]
        outputs = super().forward(batched_inputs)  # type: ignore[misc]
        for x, output in zip(batched_inputs, outputs, strict=True):
            boxes = output["instances"].pred_boxes.tensor
            boxes[:, 2:] += boxes.new_tensor([1 - 1 / scale for scale in _scale(x)])
        return outputs


def _scale(x: dict[str, Any]) -> tuple[float, float]:
    """Width and height of an input over those of the image that it was made of."""
    height, width = x["image"].shape[-2:]
    return width / x.get("width", width), height / x.get("height", height)


def _narrowed(instances: Instances, scale: tuple[float, float]) -> Instances:
    """With boxes as mmdetection 1.x scales them; what is less than a pixel wide counts as one."""
    boxes: Tensor = instances.gt_boxes.tensor.clone()
    far = boxes[:, 2:] + 1 - boxes.new_tensor(scale)
    boxes[:, 2:] = far.maximum(boxes[:, :2] + 1)
    narrowed = Instances(instances.image_size, **instances.get_fields())
    narrowed.gt_boxes = Boxes(boxes)
    return narrowed
