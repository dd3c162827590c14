"""Small detectors of torchvision for images of about 128 pixels, from scratch."""

from typing import Any

from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from ..layers import Towers, build_sepc
from .atss import ATSS
from .heads import SEPCFCOSHead, SEPCRetinaNetHead, Trunk

# Norm of the plain towers, by the variants that have these.
PLAIN_NORMS: dict[str, str | None] = {"plain": None, "plain_gn": "GN"}
ANCHOR_SIDES = (16, 32, 64, 128)  # four strides of each level


class HalfWidthResNet10(ResNet):
    """torchvision's ResNet with one basic block per stage and half the channels: 32 to 256."""

    def __init__(self) -> None:
        super().__init__(BasicBlock, [1, 1, 1, 1], num_classes=1)
        self.conv1 = nn.Conv2d(3, 32, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.bn1 = nn.BatchNorm2d(32)

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        self.inplanes: int = min(self.inplanes, planes // 2)
        return super()._make_layer(block, planes // 2, *args, **kwargs)


class OwnSizeTransform(GeneralizedRCNNTransform):
    """torchvision's normalization and batching, of images at their own size."""

    def __init__(self, *, image_mean: list[float], image_std: list[float]) -> None:
        # no sizes, as there is no resizing
        super().__init__(0, 0, image_mean=image_mean, image_std=image_std)

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


class _NoMoreLevels(ExtraFPNBlock):
    """In the place of torchvision's default, which adds a level by pooling."""

    def forward(
        self, results: list[Tensor], x: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        return results, names


def build_small_atss(
    variant: str = "sepc_lite", *, num_classes: int, channels: int = 64, **overrides: Any
) -> ATSS:
    """A small ATSS for images of about 128 pixels, from scratch: that of the quick start.

    Backbone and levels are those of :func:`build_small_retinanet`, with one square anchor of four
    strides; boxes start as their anchors.

    Args:
        variant, num_classes, channels, overrides: as of :func:`build_small_retinanet`.

    Returns:
        a model that takes RGB images (3, H, W) in [0, 1] and does not resize them.
    """
    head = SEPCFCOSHead(trunk=_trunk(variant, channels, overrides), num_classes=num_classes)
    # half of the anchor to each side; from zero, torchvision's ReLU would stop half of them
    nn.init.constant_(head.regression_head.bbox_reg.bias, 0.5)
    anchors = AnchorGenerator(
        sizes=tuple((side,) for side in ANCHOR_SIDES), aspect_ratios=((1.0,),) * len(ANCHOR_SIDES)
    )
    model = ATSS(
        _backbone(channels),
        num_classes,
        anchor_generator=anchors,
        head=head,
        score_thresh=0.05,
        nms_thresh=0.6,
    )
    model.transform = _transform()
    return model


def build_small_retinanet(
    variant: str = "pconv_ibn", *, num_classes: int, channels: int = 64, **overrides: Any
) -> RetinaNet:
    """A small RetinaNet for images of about 128 pixels, from scratch.

    A half-width ResNet of 10 layers, levels P2 to P5, three anchor sizes per octave from four
    strides up.

    Args:
        variant: of the SEPC head, see :func:`sepc.build_sepc`; "plain" for plain towers, "plain_gn"
            for these with group norm.
        num_classes: K; classes are 0 to K - 1, there is no class for the background.
        channels: C of the pyramid.
        overrides: other arguments of :func:`sepc.build_sepc`, or of :class:`sepc.layers.Towers`
            where the towers are plain.

    Returns:
        a model that takes RGB images (3, H, W) in [0, 1] and does not resize them.
    """
    anchors = AnchorGenerator(
        sizes=tuple(tuple(side * 2 ** (i / 3) for i in range(3)) for side in ANCHOR_SIDES),
        aspect_ratios=((0.5, 1.0, 2.0),) * len(ANCHOR_SIDES),
    )
    head = SEPCRetinaNetHead(
        trunk=_trunk(variant, channels, overrides),
        num_anchors=anchors.num_anchors_per_location()[0],
        num_classes=num_classes,
    )
    model = RetinaNet(
        _backbone(channels),
        num_classes,
        anchor_generator=anchors,
        head=head,
        detections_per_img=100,
    )
    model.transform = _transform()
    return model


def _trunk(variant: str, channels: int, overrides: dict[str, Any]) -> Trunk:
    if variant in PLAIN_NORMS:
        return Towers(in_channels=channels, norm=PLAIN_NORMS[variant], **overrides)
    return build_sepc(variant, channels, **overrides)


def _backbone(channels: int) -> BackboneWithFPN:
    return BackboneWithFPN(
        HalfWidthResNet10(),
        return_layers={"layer1": "p2", "layer2": "p3", "layer3": "p4", "layer4": "p5"},
        in_channels_list=[32, 64, 128, 256],
        out_channels=channels,
        extra_blocks=_NoMoreLevels(),
    )


def _transform() -> OwnSizeTransform:
    return OwnSizeTransform(image_mean=[0.5, 0.5, 0.5], image_std=[0.25, 0.25, 0.25])
