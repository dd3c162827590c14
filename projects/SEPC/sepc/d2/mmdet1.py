"""The boxes of mmdetection 1.x on Detectron2: what the authors' released weights expect.

mmdetection 1.x counts the last pixel of a box in. Here a box ends one pixel further out instead,
and the rest is the same (see :mod:`sepc.methods.boxes`).
"""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.modeling import anchor_generator
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
        """
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
    """In place of Detectron2's ``Box2BoxTransform``; a box shrinks by a factor of 62.5 at most.

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
        """(R, 4) and (R, 4) -> deltas (R, 4)."""
        return encode_deltas(src_boxes, target_boxes, self.weights)

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Deltas (R, 4) and boxes (R, 4) -> boxes (R, 4)."""
        return decode_deltas(boxes, deltas, self.weights)
