"""Anchors that learn the objects of an image, by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Positives(NamedTuple):
    """Positive anchors of one image.

    Attributes:
        levels: (P,), index of the level of each.
        gt: (P,), index of its ground truth.
    """

    levels: Tensor
    gt: Tensor

    @classmethod
    def of_assignment(cls, assignment: Tensor, per_level: Sequence[int]) -> Positives:
        """Positives of an assignment (R,) of the anchors of L levels."""
        anchors = (assignment >= 0).nonzero().squeeze(1)
        return cls.of_anchors(anchors, assignment[anchors], per_level)

    @classmethod
    def of_anchors(cls, anchors: Tensor, gt: Tensor, per_level: Sequence[int]) -> Positives:
        """Positives from their indices (P,) among the anchors of L levels."""
        ends = torch.tensor(per_level, device=anchors.device).cumsum(0)
        return cls(torch.bucketize(anchors, ends, right=True), gt)
