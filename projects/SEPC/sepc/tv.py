"""The torchvision binding: the SEPC trunk in torchvision's own RetinaNet, FCOS and SSD."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.ssd import SSDHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.ops.boxes import clip_boxes_to_image
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from .export.decode import select_detections, top_candidates
from .inference import optimize_for_inference
from .layers import SEPC, build_sepc, make_norm

# Of torchvision's towers, by the variants of :func:`build_small_retinanet` that have them.
PLAIN_NORMS = {"plain": None, "plain_gn": partial(make_norm, "GN")}


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

    def __init__(self, *, trunk: SEPC, num_anchors: int, num_classes: int) -> None:
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

    def __init__(self, *, trunk: SEPC, num_classes: int) -> None:
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
        trunk: SEPC,
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


def _check_keeps_sizes(trunk: SEPC) -> None:
    if trunk.head_padding != "same":
        raise ValueError(
            "expected a trunk with head_padding='same', whose maps keep the sizes that "
            f"torchvision lays the anchors on, got {trunk.head_padding!r}"
        )


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


def build_small_retinanet(
    variant: str = "pconv_ibn", *, num_classes: int, channels: int = 64, **overrides: Any
) -> RetinaNet:
    """A small RetinaNet for images of about 128 pixels, from scratch: that of the quick start.

    A half-width ResNet of 10 layers, levels P2 to P5, three anchor sizes per octave from four
    strides up.

    Args:
        variant: of the SEPC head, see :func:`sepc.build_sepc`; "plain" for torchvision's towers,
            "plain_gn" for these with group norm.
        num_classes: K; classes are 0 to K - 1, there is no class for the background.
        channels: C of the pyramid.
        overrides: passed on to :func:`sepc.build_sepc`.

    Returns:
        a model that takes RGB images (3, H, W) in [0, 1] and does not resize them.
    """
    backbone = BackboneWithFPN(
        HalfWidthResNet10(),
        return_layers={"layer1": "p2", "layer2": "p3", "layer3": "p4", "layer4": "p5"},
        in_channels_list=[32, 64, 128, 256],
        out_channels=channels,
        extra_blocks=_NoMoreLevels(),
    )
    bases = (16, 32, 64, 128)  # four strides of each level
    anchors = AnchorGenerator(
        sizes=tuple(tuple(base * 2 ** (i / 3) for i in range(3)) for base in bases),
        aspect_ratios=((0.5, 1.0, 2.0),) * len(bases),
    )
    num_anchors = anchors.num_anchors_per_location()[0]
    head = (
        RetinaNetHead(channels, num_anchors, num_classes, norm_layer=PLAIN_NORMS[variant])
        if variant in PLAIN_NORMS
        else SEPCRetinaNetHead(
            trunk=build_sepc(variant, channels, **overrides),
            num_anchors=num_anchors,
            num_classes=num_classes,
        )
    )
    model = RetinaNet(
        backbone, num_classes, anchor_generator=anchors, head=head, detections_per_img=100
    )
    model.transform = OwnSizeTransform(image_mean=[0.5, 0.5, 0.5], image_std=[0.25, 0.25, 0.25])
    return model


class ExportableRetinaNet(nn.Module):
    """A torchvision RetinaNet as tensors in, tensors out, with shapes that an exporter can follow.

    The detections are those of the model: :mod:`sepc.export.decode` says why.

    Args:
        model: copied, the original stays as it is.
    """

    def __init__(self, model: RetinaNet) -> None:
        super().__init__()
        exportable: Any = optimize_for_inference(model)
        exportable.postprocess_detections = self._postprocess
        self.model: Any = exportable

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 RGB (3, H, W) -> boxes (D, 4), scores (D), classes (D), D detections."""
        detections = self.model([image.float() / 255])[0]
        return detections["boxes"], detections["scores"], detections["labels"]

    def _postprocess(
        self,
        head_outputs: dict[str, list[Tensor]],
        anchors: list[list[Tensor]],
        image_shapes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        model = self.model
        boxes, scores, classes = [], [], []
        for logits, deltas, anchors_of_level in zip(
            head_outputs["cls_logits"], head_outputs["bbox_regression"], anchors[0], strict=True
        ):
            best, positions, labels = top_candidates(logits[0].sigmoid(), model.topk_candidates)
            scores.append(best)
            classes.append(labels)
            boxes.append(
                model.box_coder.decode_single(deltas[0][positions], anchors_of_level[positions])
            )
        all_boxes = clip_boxes_to_image(torch.cat(boxes), image_shapes[0])
        all_scores, all_classes = torch.cat(scores), torch.cat(classes)
        _, kept = select_detections(
            all_boxes[None],
            all_scores[None],
            all_classes[None],
            num_classes=logits.shape[-1],
            score_thresh=model.score_thresh,
            nms_thresh=model.nms_thresh,
            max_detections=model.detections_per_img,
        )
        return [{"boxes": all_boxes[kept], "scores": all_scores[kept], "labels": all_classes[kept]}]


def detect(model: RetinaNet, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the model itself finds in one image, in the form of :class:`ExportableRetinaNet`."""
    was_training = model.training
    try:
        with torch.no_grad():
            detections = model.eval()([image.float() / 255])[0]
    finally:
        model.train(was_training)
    return detections["boxes"], detections["scores"], detections["labels"]
