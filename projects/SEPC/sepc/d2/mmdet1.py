"""Parts of mmdetection 1.x that the authors' released weights expect: boxes, anchors, P6 and P7.

mmdetection 1.x counts the last pixel of a box in. Here a box ends one pixel further out instead,
and the rest is the same (see :mod:`sepc.methods.boxes`).
"""

from collections.abc import Sequence
from typing import Any

from detectron2.modeling import anchor_generator
from detectron2.modeling.backbone import fpn
from detectron2.structures import Boxes, Instances
from torch import Tensor

from ..methods.anchors import legacy_cell_anchors
from ..methods.boxes import decode_deltas, encode_deltas


class LegacyAnchorGenerator(anchor_generator.DefaultAnchorGenerator):
    """Detectron2's generator with the anchors of :func:`~sepc.methods.anchors.legacy_cell_anchors`.

    They lie in the middle of their cells, with corners on whole pixels, and the sizes run fastest.
    Its arguments are those of Detectron2's, except that ``offset`` has to be 0: the place in the
    cell is part of the anchor.
    """

    def __init__(
        self,
        *,
        sizes: Sequence[Sequence[float]],
        aspect_ratios: Sequence[float] | Sequence[Sequence[float]],
        strides: Sequence[int],
        offset: float = 0.0,
    ) -> None:
        """Same arguments as Detectron2's.

        Raises:
            ValueError: for an offset.
        """
        if offset != 0.0:
            raise ValueError(
                f"expected offset 0, the anchors have a place of their own, got {offset}"
            )
        super().__init__(sizes=sizes, aspect_ratios=aspect_ratios, strides=strides, offset=0.0)

    def _calculate_anchors(
        self, sizes: Sequence[Sequence[float]], aspect_ratios: Sequence[Sequence[float]]
    ) -> anchor_generator.BufferList:
        return anchor_generator.BufferList(
            [
                legacy_cell_anchors(stride, [size / stride for size in level_sizes], ratios)
                for stride, level_sizes, ratios in zip(
                    self.strides, sizes, aspect_ratios, strict=True
                )
            ]
        )


class LegacyBox2BoxTransform:
    """Detectron2's ``Box2BoxTransform``, with boxes that shrink by a factor of 62.5 at most.

    Detectron2 limits the growth alone. With the anchors above, the +1 of mmdetection's coder is in
    the boxes already.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """
        Args:
            weights: factors of dx, dy, dw, dh; 1 over mmdetection's ``target_stds``.
        """
        self.weights = tuple(weights)

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Deltas (R, 4) from boxes (R, 4) and (R, 4)."""
        return encode_deltas(src_boxes, target_boxes, self.weights)

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Boxes (R, 4) from deltas (R, 4) and boxes (R, 4)."""
        return decode_deltas(boxes, deltas, self.weights)


class LastLevelP6P7(fpn.LastLevelP6P7):
    """Detectron2's ``LastLevelP6P7`` without the ReLU between P6 and P7.

    For the weights of the authors and of UniverseNet. ``in_feature`` is what P6 comes from: "res5"
    (mmdetection's default in 1.x) or "p5" (its ``add_extra_convs="on_output"``).
    """

    def forward(self, x: Tensor) -> list[Tensor]:
        """P6 of half the size of ``x`` (N, in_channels, H, W), and P7 of a quarter."""
        p6 = self.p6(x)
        return [p6, self.p7(p6)]


class InclusiveBoxes:
    """Mixin with the option ``inclusive_boxes``, in front of a Detectron2 ``DenseDetector``.

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
            undo_inclusive(output["instances"].pred_boxes.tensor, _scale(x))
        return outputs


def undo_inclusive(boxes: Tensor, scale: tuple[float, float]) -> None:
    """Undo in place the scaling of predicted boxes (D, 4), see :class:`InclusiveBoxes`.

    Args:
        boxes: in pixels of the image that the input was made of.
        scale: width and height of the input over those of the image.
    """
    boxes[:, 2:] += boxes.new_tensor([1 - 1 / s for s in scale])


def _scale(x: dict[str, Any]) -> tuple[float, float]:
    """Factors of the width and the height from the image to the input made of it."""
    height, width = x["image"].shape[-2:]
    return width / x.get("width", width), height / x.get("height", height)


def _narrowed(instances: Instances, scale: tuple[float, float]) -> Instances:
    """Ground truth scaled as in mmdetection 1.x; what is less than a pixel wide counts as one."""
    boxes: Tensor = instances.gt_boxes.tensor.clone()
    far = boxes[:, 2:] + 1 - boxes.new_tensor(scale)
    boxes[:, 2:] = far.maximum(boxes[:, :2] + 1)
    narrowed = Instances(instances.image_size, **instances.get_fields())
    narrowed.gt_boxes = Boxes(boxes)
    return narrowed
