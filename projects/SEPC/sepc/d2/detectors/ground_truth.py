"""Ground truth as a detector takes it in: checked, and without what nothing can be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.structures import Instances
from torch import Tensor

from ...methods.targets import check_targets


class ChecksGroundTruth:
    """In front of a Detectron2 ``DenseDetector`` among the base classes: checks what it trains on.

    Unlike Detectron2's own detectors: a class out of range is an error that names the image, and
    boxes without area or wholly outside the image are left out. Detectron2's RetinaNet would match
    such a box, which no anchor overlaps, to every anchor.
    """

    num_classes: int
    training: bool

    def forward(self, batched_inputs: Sequence[dict[str, Any]]) -> Any:
        """As :meth:`DenseDetector.forward`.

        Raises:
            ValueError: in training, for an image without instances or with malformed ones.
        """
        if self.training:
            batched_inputs = usable_ground_truth(batched_inputs, num_classes=self.num_classes)
        return super().forward(batched_inputs)  # type: ignore[misc]


def usable_ground_truth(
    batched_inputs: Sequence[dict[str, Any]], *, num_classes: int
) -> list[dict[str, Any]]:
    """Inputs whose instances are checked and all have area on the image.

    Args:
        batched_inputs: as Detectron2's ``DatasetMapper`` makes them.
        num_classes: K.

    Returns:
        copies of the inputs; what comes in is left as it is.

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
    """(M, 4) -> (M,) bool."""
    height, width = image_size
    far = boxes.new_tensor([width, height])
    sides = boxes[:, 2:].minimum(far) - boxes[:, :2].clamp(min=0)
    return (sides > 0).all(dim=1)
