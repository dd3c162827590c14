"""The two extra levels on top of Detectron2's FPN, as mmdetection computes them."""

from __future__ import annotations

import detectron2.modeling.backbone.fpn as detectron2_fpn
from torch import Tensor


class LastLevelP6P7(detectron2_fpn.LastLevelP6P7):
    """Detectron2's ``LastLevelP6P7`` without the ReLU between P6 and P7.

    For the weights of the authors and of UniverseNet. ``in_feature`` is what P6 comes from: "res5"
    (mmdetection's default in 1.x) or "p5" (its ``add_extra_convs="on_output"``).
    """

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> P6 of half its size and P7 of a quarter."""
        p6 = self.p6(x)
        return [p6, self.p7(p6)]
