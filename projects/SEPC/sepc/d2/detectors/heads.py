"""Heads of the detectors: predictors on a trunk, which is SEPC, DyHead or plain towers."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...layers import SEPC, DyHead, Towers
from ...layers.level_conv import convolve_levels

Trunk = SEPC | DyHead | Towers


class SEPCHead(nn.Module):
    """Head of classification and box predictors straight on a trunk, for RetinaNet and others.

    It takes the place of ``RetinaNetHead`` and returns what that returns. The trunk does the work
    of the two towers, so one 3x3 convolution per branch is all that follows.

    With a trunk of ``head_padding="valid"`` the predictions are smaller than the maps it reads. The
    detectors of this package lay their anchors on the predictions; Detectron2's own do not.
    """

    def __init__(
        self,
        *,
        trunk: Trunk,
        num_classes: int,
        num_anchors: int,
        prior_prob: float = 0.01,
        box_dim: int = 4,
        box_bias: float = 0.0,
        num_scales: int = 0,
    ) -> None:
        """
        Args:
            trunk: a module as made by :func:`sepc.build_sepc`, DyHead or plain towers.
            num_classes: K, without background.
            num_anchors: A, anchors per position, the same on all levels.
            prior_prob: probability that each class starts with, in (0, 1).
            box_dim: D, numbers that predict a box.
            box_bias: what the bias of the box predictor starts with.
            num_scales: L, to learn a factor of the box predictions of each level, which starts
                with 1 (FCOS, Sec 3.2); 0 for none.

        Raises:
            ValueError: for a number out of its range.
        """
        super().__init__()
        if num_classes < 1 or num_anchors < 1:
            raise ValueError(
                "num_classes and num_anchors must be at least 1, "
                f"got num_classes={num_classes}, num_anchors={num_anchors}"
            )
        if not 0.0 < prior_prob < 1.0:
            raise ValueError(f"prior_prob must lie between 0 and 1, got {prior_prob}")
        self.trunk = trunk
        # RetinaNet, Sec 4.1: every class starts with probability `prior_prob`.
        self.prior_logit = -math.log((1 - prior_prob) / prior_prob)
        channels = trunk.out_channels
        self.cls_score = make_predictor(channels, num_anchors * num_classes, self.prior_logit)
        self.bbox_pred = make_predictor(channels, num_anchors * box_dim, box_bias)
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(())) for _ in range(num_scales))

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], ...]:
        """
        Args:
            features: L maps of shape (N, C, Hl, Wl), fine to coarse.

        Returns:
            logits, L maps of shape (N, A*K, Hl, Wl), and deltas, L maps of shape (N, A*D, Hl, Wl),
            of the size that the trunk's maps have.

        Raises:
            ValueError: for other than ``num_scales`` levels, if that is not 0.
        """
        return self.predict(*self.trunk(features))

    def predict(
        self, cls_features: list[Tensor], box_features: list[Tensor]
    ) -> tuple[list[Tensor], ...]:
        """Predictions as :meth:`forward` returns them, from the two outputs of the trunk."""
        logits = convolve_levels(cls_features, self.cls_score)
        deltas = convolve_levels(box_features, self.bbox_pred)
        return logits, self._scaled(deltas)

    def _scaled(self, deltas: list[Tensor]) -> list[Tensor]:
        if not len(self.scales):
            return deltas
        if len(deltas) != len(self.scales):
            raise ValueError(f"expected {len(self.scales)} pyramid level(s), got {len(deltas)}")
        return [scale * x for scale, x in zip(self.scales, deltas, strict=True)]


class CenternessHead(SEPCHead):
    """Head of FCOS and ATSS: a third predictor, of centerness, beside that of boxes."""

    def __init__(self, *, trunk: Trunk, **kwargs: Any) -> None:
        """Arguments as of :class:`SEPCHead`, without ``num_anchors``, which is 1."""
        super().__init__(trunk=trunk, num_anchors=1, **kwargs)
        self.ctrness = make_predictor(trunk.out_channels, 1, 0.0)

    def predict(
        self, cls_features: list[Tensor], box_features: list[Tensor]
    ) -> tuple[list[Tensor], ...]:
        """Logits and deltas, and centerness logits, L maps of shape (N, 1, Hl, Wl)."""
        centerness = [self.ctrness(x) for x in box_features]
        return *super().predict(cls_features, box_features), centerness


class FSAFHead(SEPCHead):
    """Head of FSAF beside RetinaNet: anchor-free and anchor-based predictors on one trunk.

    Source: FSAF, Sec 3.1. The anchor-free branch has one anchor per position, and its ReLU starts
    open, with a bias of 1, as in the official code.
    """

    def __init__(self, *, trunk: Trunk, num_classes: int, **kwargs: Any) -> None:
        """Arguments as of :class:`SEPCHead`; ``num_anchors`` is that of the anchor-based branch."""
        super().__init__(trunk=trunk, num_classes=num_classes, **kwargs)
        self.free_cls_score = make_predictor(trunk.out_channels, num_classes, self.prior_logit)
        self.free_bbox_pred = make_predictor(trunk.out_channels, 4, 1.0)

    def predict(
        self, cls_features: list[Tensor], box_features: list[Tensor]
    ) -> tuple[list[Tensor], ...]:
        """Logits and deltas, and those of the other branch: (N, K, Hl, Wl) and (N, 4, Hl, Wl)."""
        free_logits = [self.free_cls_score(x) for x in cls_features]
        free_distances = [self.free_bbox_pred(x) for x in box_features]
        return *super().predict(cls_features, box_features), free_logits, free_distances


def make_predictor(in_channels: int, out_channels: int, bias: float) -> nn.Conv2d:
    """Convolution of 3x3 with weights from N(0, 0.01) and the same bias everywhere."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]
    return conv
