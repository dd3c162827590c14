"""ATSS (https://arxiv.org/abs/1912.02424) in torchvision."""

from torch import Tensor
from torchvision.models.detection import FCOS

from ..methods.atss import atss_assign


class ATSS(FCOS):
    """torchvision's FCOS with ATSS's choice of positive anchors, by Algorithm 1 of its paper.

    Head, losses and decoding are torchvision's; FCOS's radius and ranges of sizes are not used. The
    anchors, one per position, are as large as ATSS's anchors are to be: FCOS takes them to be as
    large as a stride, and measures its distances in them.
    """

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:
        """Losses by torchvision's names, for anchors (R, 4) of each image, fine to coarse."""
        assigned = [
            atss_assign(own, target["boxes"], num_anchors_per_level)
            for own, target in zip(anchors, targets, strict=True)
        ]
        return self.head.compute_loss(targets, head_outputs, anchors, assigned)
