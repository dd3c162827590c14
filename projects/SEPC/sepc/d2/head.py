"""SEPC in place of RetinaNet's own head."""

import math

from torch import Tensor, nn

from ..layers import SEPC


class SEPCHead(nn.Module):
    """Classification and box predictors straight on a SEPC trunk, for Detectron2's ``RetinaNet``.

    It takes the place of ``RetinaNetHead`` and returns what that returns. The trunk does the work
    of the two towers, so one 3x3 convolution per branch is all that follows.
    """

    def __init__(
        self, *, trunk: SEPC, num_classes: int, num_anchors: int, prior_prob: float = 0.01
    ) -> None:
        """
        Args:
            trunk: a module as made by :func:`sepc.build_sepc`.
            num_classes: K, without background.
            num_anchors: A, anchors per position, the same on all levels.
            prior_prob: probability that each class starts with, in (0, 1).

        Raises:
            ValueError: for a number out of its range, or a trunk whose maps are smaller than the
                ones it reads (``head_padding="valid"``).
        """
        super().__init__()
        if num_classes < 1 or num_anchors < 1:
            raise ValueError(
                "num_classes and num_anchors must be at least 1, "
                f"got num_classes={num_classes}, num_anchors={num_anchors}"
            )
        if not 0.0 < prior_prob < 1.0:
            raise ValueError(f"prior_prob must lie between 0 and 1, got {prior_prob}")
        if trunk.head_padding != "same":
            raise ValueError(
                'expected a trunk with head_padding="same", '
                f"got {trunk.head_padding!r}: its maps are two cells smaller than the feature maps "
                "on which Detectron2's anchor generator lays the anchors"
            )
        self.trunk = trunk
        # RetinaNet, Sec 4.1: every class starts with probability `prior_prob`.
        prior_logit = -math.log((1 - prior_prob) / prior_prob)
        self.cls_score = _predictor(trunk.out_channels, num_anchors * num_classes, prior_logit)
        self.bbox_pred = _predictor(trunk.out_channels, num_anchors * 4, 0.0)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """
        Args:
            features: L maps of shape (N, C, Hl, Wl), fine to coarse.

        Returns:
            logits, L maps of shape (N, A*K, Hl, Wl), and deltas, L maps of shape (N, A*4, Hl, Wl).
        """
        cls_features, box_features = self.trunk(features)
        return [self.cls_score(x) for x in cls_features], [self.bbox_pred(x) for x in box_features]


def _predictor(in_channels: int, out_channels: int, bias: float) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]
    return conv
