"""Losses that Detectron2's RetinaNet and FCOS have in common, with the focal loss of this package.

Unlike Detectron2, whose focal loss is scripted: that one rounds its first calls in a process in
another way than all others, so that a resumed training does not equal an uninterrupted one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from detectron2.modeling.box_regression import _dense_box_regression_loss
from detectron2.modeling.meta_arch import FCOS, RetinaNet
from detectron2.structures import Boxes
from detectron2.utils.events import get_event_storage
from torch import Tensor

from ...methods.focal import focal_loss
from ...methods.targets import is_positive


class DenseLosses(NamedTuple):
    """Losses of a batch, and what further ones need.

    Attributes:
        cls: focal loss, over the normalizer.
        box: loss of the boxes of positive anchors, over the normalizer.
        positive: (N, R), which anchors have a class.
        normalizer: running average of the number of positives per batch.
    """

    cls: Tensor
    box: Tensor
    positive: Tensor
    normalizer: float


def dense_losses(
    model: RetinaNet | FCOS,
    anchors: list[Boxes],
    logits: Sequence[Tensor],
    labels: Sequence[Tensor],
    deltas: list[Tensor],
    boxes: list[Tensor],
    *,
    first_normalizer: float,
    **box_loss: Any,
) -> DenseLosses:
    """Losses of classes and boxes, see Detectron2's ``RetinaNet.losses``.

    Args:
        model: keeps the normalizer, ``loss_normalizer``.
        anchors: L, (Rl, 4) each.
        logits: L, (N, Rl, K) each.
        labels: N, (R,) each: class, K for background, -1 for ignored.
        deltas: L, (N, Rl, 4) each.
        boxes: N, (R, 4) each, that positive anchors are to predict.
        first_normalizer: what the running average starts with.
        box_loss: ``box_reg_loss_type`` and others of Detectron2's loss of boxes.
    """
    classes = torch.stack(list(labels))
    positive = is_positive(classes, model.num_classes)
    count = int(positive.sum())
    get_event_storage().put_scalar("num_pos_anchors", count / len(labels))
    normalizer = model._ema_update("loss_normalizer", max(count, 1), first_normalizer)
    cls = focal_loss(
        torch.cat(list(logits), dim=1),
        classes,
        alpha=model.focal_loss_alpha,
        gamma=model.focal_loss_gamma,
    )
    box = _dense_box_regression_loss(
        anchors, model.box2box_transform, deltas, boxes, positive, **box_loss
    )
    return DenseLosses(cls.sum() / normalizer, box / normalizer, positive, normalizer)
