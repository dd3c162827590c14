"""Ground truth: what is accepted, and what an assignment says about each anchor."""

from collections.abc import Sequence

import torch
from torch import Tensor

BACKGROUND = -1
IGNORED = -2


def check_targets(
    gt_boxes: Sequence[Tensor],
    gt_classes: Sequence[Tensor],
    *,
    num_classes: int,
    names: Sequence[str] | None = None,
) -> None:
    """Check the ground truth of a batch, where a detector takes it in.

    Boxes of zero area and boxes outside the image are fine. Waits for the GPU once.

    Args:
        gt_boxes: N tensors (M, 4).
        gt_classes: N tensors (M,) of integers in [0, K).
        num_classes: K.
        names: N names of the images for messages; "image 0" and so on by default.

    Raises:
        ValueError: names the image, what was expected and what came.
    """
    if len(gt_boxes) != len(gt_classes):
        raise ValueError(
            f"expected classes for each of {len(gt_boxes)} image(s), got them for {len(gt_classes)}"
        )
    names = names or [f"image {i}" for i in range(len(gt_boxes))]
    wrong = []
    for image, (boxes, classes) in enumerate(zip(gt_boxes, gt_classes, strict=True)):
        if boxes.dim() != 2 or boxes.shape[1] != 4 or classes.shape != boxes.shape[:1]:
            raise ValueError(
                f"{names[image]}: expected boxes (M, 4) and classes (M,), "
                f"got {tuple(boxes.shape)} and {tuple(classes.shape)}"
            )
        if classes.is_floating_point():
            raise ValueError(f"{names[image]}: expected integer classes, got {classes.dtype}")
        class_is_wrong = (classes < 0) | (classes >= num_classes)
        box_is_wrong = ~boxes.isfinite().all(dim=1) | (boxes[:, 2:] < boxes[:, :2]).any(dim=1)
        wrong.append(torch.stack([class_is_wrong.any(), box_is_wrong.any()]))
    if not wrong:
        return
    for image, (class_is_wrong, box_is_wrong) in enumerate(torch.stack(wrong).tolist()):
        if class_is_wrong:
            found = sorted(set(gt_classes[image].tolist()) - set(range(num_classes)))
            raise ValueError(f"{names[image]}: expected classes in [0, {num_classes}), got {found}")
        if box_is_wrong:
            boxes = gt_boxes[image]
            bad = ~boxes.isfinite().all(dim=1) | (boxes[:, 2:] < boxes[:, :2]).any(dim=1)
            raise ValueError(
                f"{names[image]}: expected finite boxes with x1 <= x2 and y1 <= y2, "
                f"got {boxes[bad][0].tolist()}"
            )


def anchor_targets(
    assignment: Tensor, gt_boxes: Tensor, gt_classes: Tensor, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    """The class and the box that each anchor of one image is to predict.

    Args:
        assignment: (R,), see :mod:`sepc.methods`.
        gt_boxes: (M, 4).
        gt_classes: (M,), in [0, K).
        num_classes: K.

    Returns:
        labels (R,): class, K for background, -1 for ignored; and boxes (R, 4), whose rows mean
        nothing where the anchor is not positive.
    """
    labels = torch.full_like(assignment, num_classes).masked_fill(assignment == IGNORED, -1)
    if len(gt_boxes) == 0:
        return labels, gt_boxes.new_zeros(len(assignment), 4)
    index = assignment.clamp(min=0)
    return torch.where(assignment >= 0, gt_classes[index], labels), gt_boxes[index]


def is_positive(labels: Tensor, num_classes: int) -> Tensor:
    """True where an anchor has a class, neither background (K) nor ignored (-1)."""
    return (labels >= 0) & (labels < num_classes)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Labels (...) -> bool (..., K), all False for background and ignored anchors."""
    return labels.unsqueeze(-1) == torch.arange(num_classes, device=labels.device)


def num_positives(labels: Tensor, num_classes: int) -> Tensor:
    """How many anchors have a class: a float scalar, at least 0."""
    return is_positive(labels, num_classes).sum().float()
