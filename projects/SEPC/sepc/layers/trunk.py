"""The SEPC trunk: pyramid convolutions shared by both tasks, then one convolution per task.

It takes the place of a one-stage detector's head towers; the predictors sit straight on it.
:func:`.build.build_sepc` makes it.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from .pyramid_layer import PyramidLayer
from .stack import PyramidConvStack


class SEPC(nn.Module):
    """SEPC trunk: stages of pyramid convolution, then a branch per task.

    Source: SEPC, Sec 3 and Fig. 5; the official code for what the paper leaves open.

    Args:
        stages: shared by both tasks.
        cls_branch, box_branch: the last layer of each task, equal in size.

    Attributes:
        head_padding: "same", or "valid" where the branches do not pad and every level comes out
            smaller by one cell less than their kernel.
    """

    def __init__(
        self, *, stages: PyramidConvStack, cls_branch: PyramidLayer, box_branch: PyramidLayer
    ) -> None:
        super().__init__()
        self.stages = stages
        self.cls_branch = cls_branch
        self.box_branch = box_branch
        kernel = cls_branch.conv.same
        self.in_channels = stages.in_channels
        self.out_channels = kernel.out_channels
        self.num_levels = stages.num_levels
        self.kernel_size = kernel.kernel_size[0]
        keeps_size = kernel.padding == (self.kernel_size // 2, self.kernel_size // 2)
        self.head_padding = "same" if keeps_size else "valid"

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Compute features for both tasks.

        Args:
            features: L tensors (N, in_channels, Hl, Wl), fine to coarse, each level half the size
                of the finer one, rounded up.

        Returns:
            classification and localization features, each L tensors (N, out_channels, Hl, Wl)
            (with ``head_padding="valid"``: (Hl - 2, Wl - 2) for the kernel size 3).

        Raises:
            ValueError: wrong number of levels, channels or sizes; names the level.
        """
        features = self.stages(features)
        if self.head_padding == "valid":
            self._check_large_enough(features)
        return self.cls_branch(features), self.box_branch(features)

    def _check_large_enough(self, features: Sequence[Tensor]) -> None:
        h, w = features[-1].shape[-2:]
        if min(h, w) < self.kernel_size:
            raise ValueError(
                f"level {len(features) - 1}: without padding in the branches expected at least "
                f"{self.kernel_size} x {self.kernel_size} cells, got {h} x {w}; use larger images, "
                "or head_padding='same'"
            )


def __getattr__(name: str) -> Any:
    """Look up ``build_sepc``, which was here in version 0.1: saved configs name it so."""
    if name == "build_sepc":
        from .build import build_sepc

        return build_sepc
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
