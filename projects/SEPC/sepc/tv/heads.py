"""Heads of torchvision's RetinaNet, FCOS and SSD on a trunk, which is SEPC or plain towers."""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.ssd import SSDHead

from ..layers import SEPC, Towers

Trunk = SEPC | Towers


class SEPCRetinaNetHead(RetinaNetHead):
    """Predictors straight on a SEPC trunk, for :class:`torchvision.models.detection.RetinaNet`.

    The losses and predictors are those of torchvision's head; the trunk, computed once for both
    tasks, takes the place of its two towers.

    Args:
        trunk: as :func:`sepc.build_sepc` makes it.
        num_anchors: A, anchors per position, the same on all levels.
        num_classes: K, as torchvision counts them.

    Raises:
        ValueError: if the trunk does not pad its branches: torchvision lays the anchors on the
            feature maps that come in.
    """

    def __init__(self, *, trunk: Trunk, num_anchors: int, num_classes: int) -> None:
        _check_keeps_sizes(trunk)
        super().__init__(trunk.out_channels, num_anchors, num_classes)
        self.trunk = trunk
        self.classification_head.conv = nn.Sequential()
        self.regression_head.conv = nn.Sequential()

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """L maps (N, C, Hl, Wl) -> ``cls_logits`` (N, R, K) and ``bbox_regression`` (N, R, 4)."""
        cls_features, box_features = self.trunk(x)
        return {
            "cls_logits": self.classification_head(cls_features),
            "bbox_regression": self.regression_head(box_features),
        }


class SEPCFCOSHead(FCOSHead):
    """Predictors straight on a SEPC trunk, for :class:`torchvision.models.detection.FCOS`.

    The losses and predictors are those of torchvision's head; centerness, as there, is predicted
    beside the boxes, from the localization features.

    Args:
        trunk: as :func:`sepc.build_sepc` makes it.
        num_classes: K, as torchvision counts them.

    Raises:
        ValueError: if the trunk does not pad its branches, as for :class:`SEPCRetinaNetHead`.
    """

    def __init__(self, *, trunk: Trunk, num_classes: int) -> None:
        _check_keeps_sizes(trunk)
        super().__init__(trunk.out_channels, 1, num_classes, num_convs=0)  # A = 1: a point
        self.trunk = trunk

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """L maps (N, C, Hl, Wl) -> ``cls_logits`` (N, R, K), ``bbox_regression`` (N, R, 4) and
        ``bbox_ctrness`` (N, R, 1)."""
        cls_features, box_features = self.trunk(x)
        distances, centerness = self.regression_head(box_features)
        return {
            "cls_logits": self.classification_head(cls_features),
            "bbox_regression": distances,
            "bbox_ctrness": centerness,
        }


class SEPCSSDHead(SSDHead):
    """Predictors straight on a SEPC trunk, for :class:`torchvision.models.detection.ssd.SSD`.

    SSD (https://arxiv.org/abs/1512.02325) reads maps of different channels, which a 1x1 convolution
    each brings to those of the trunk. The predictors of each level are its own, as torchvision's
    are: levels may have different numbers of anchors. The losses are torchvision's, in ``SSD``.

    The levels have to be halves of each other, rounded up, as those of SSDlite are for 320 pixels
    (20, 10, 5, 3, 2, 1). Those of ``ssd300_vgg16`` are not (3, then 1): its first batch raises a
    ValueError that names the level.

    Args:
        trunk: as :func:`sepc.build_sepc` makes it.
        in_channels: of each map of the backbone, fine to coarse.
        num_anchors: per position of each level, as the model's
            ``anchor_generator.num_anchors_per_location()`` says.
        num_classes: as torchvision's SSD counts them: with one for the background.

    Raises:
        ValueError: other numbers of levels, or a trunk that does not pad its branches, as for
            :class:`SEPCRetinaNetHead`.
    """

    def __init__(
        self,
        *,
        trunk: Trunk,
        in_channels: Sequence[int],
        num_anchors: Sequence[int],
        num_classes: int,
    ) -> None:
        _check_keeps_sizes(trunk)
        if len(in_channels) != len(num_anchors):
            raise ValueError(
                "expected in_channels and num_anchors of as many levels, "
                f"got {len(in_channels)} and {len(num_anchors)}"
            )
        super().__init__([trunk.out_channels] * len(in_channels), list(num_anchors), num_classes)
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels, trunk.in_channels, kernel_size=1) for channels in in_channels
        )
        self.trunk = trunk

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """L maps (N, in_channels of the level, Hl, Wl) -> ``bbox_regression`` (N, R, 4) and
        ``cls_logits`` (N, R, classes)."""
        pyramid = [lateral(level) for lateral, level in zip(self.laterals, x, strict=True)]
        cls_features, box_features = self.trunk(pyramid)
        return {
            "bbox_regression": self.regression_head(box_features),
            "cls_logits": self.classification_head(cls_features),
        }


def _check_keeps_sizes(trunk: Trunk) -> None:
    if trunk.head_padding != "same":
        raise ValueError(
            "expected a trunk with head_padding='same', whose maps keep the sizes that "
            f"torchvision lays the anchors on, got {trunk.head_padding!r}"
        )
