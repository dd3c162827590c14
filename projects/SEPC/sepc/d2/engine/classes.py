"""Search for weights that fit a model in all but the number of classes."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

# Which weights have outputs per class, and whether one more stands for the background.
_PER_CLASS = [
    (re.compile(r"head\.(free_)?cls_score\.(weight|bias)"), 0),
    (re.compile(r"roi_heads\.box_predictor\.(\d+\.)?cls_score\.(weight|bias)"), 1),
    (re.compile(r"roi_heads\.box_predictor\.(\d+\.)?bbox_pred\.(weight|bias)"), 0),
    (re.compile(r"roi_heads\.mask_head\.predictor\.(weight|bias)"), 0),
]

Shape = tuple[int, ...]


class OtherClasses(NamedTuple):
    """Class predictors of a checkpoint for another number of classes.

    Attributes:
        before: K of the checkpoint.
        now: K of the model.
        keys: of the weights that are per class.
    """

    before: int
    now: int
    keys: list[str]


def find_other_classes(
    model: nn.Module, differing: Sequence[tuple[str, Shape, Shape]]
) -> OtherClasses | None:
    """Explain the weights that differ by another number of classes, if that explains all.

    Args:
        model: a detector of Detectron2 or of ours.
        differing: key, shape in the checkpoint and shape in the model of each weight that differs.

    Returns:
        None if nothing differs, or something for another reason.
    """
    now = _num_classes(model)
    if now is None or not differing:
        return None
    before = {_classes(key, got, expected, now) for key, got, expected in differing}
    if None in before or len(before) != 1:
        return None
    return OtherClasses(before.pop() or 0, now, [key for key, _, _ in differing])


def _num_classes(model: nn.Module) -> int | None:
    for module in (model, getattr(model, "roi_heads", None)):
        if isinstance(found := getattr(module, "num_classes", None), int):
            return found
    return None


def _classes(key: str, got: Shape, expected: Shape, now: int) -> int | None:
    """Number of classes of the checkpoint by one weight, None if that is not what differs."""
    for pattern, background in _PER_CLASS:
        if pattern.fullmatch(key) and got[1:] == expected[1:]:
            per_class, rest = divmod(expected[0], now + background)
            if rest or got[0] % per_class:
                return None
            return got[0] // per_class - background or None
    return None
