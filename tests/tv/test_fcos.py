"""The trunk in torchvision's FCOS."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead

from sepc import build_sepc
from sepc.tv import OwnSizeTransform, SEPCFCOSHead

from ..export.helpers import spread, stir
from .helpers import (
    CLASSES,
    check_losses_reach_every_parameter,
    check_losses_without_objects,
    target,
)

CHANNELS = 32  # torchvision's own head has 32 groups in its norms
STRIDES = (8, 16, 32)
LOSSES = {"classification", "bbox_regression", "bbox_ctrness"}


class SmallPyramid(nn.Module):
    """Levels of the strides 8, 16 and 32 straight from the image."""

    out_channels = CHANNELS

    def __init__(self):
        super().__init__()
        self.levels = nn.ModuleList(nn.Conv2d(3, CHANNELS, s, stride=s) for s in STRIDES)

    def forward(self, x):
        return {str(i): level(x) for i, level in enumerate(self.levels)}


def make_head(variant="pconv_ibn", **overrides):
    overrides = {"num_stages": 1, **overrides}
    return SEPCFCOSHead(trunk=build_sepc(variant, CHANNELS, **overrides), num_classes=CLASSES)


def make_fcos(variant):
    torch.manual_seed(0)
    model = FCOS(
        SmallPyramid(),
        CLASSES,
        anchor_generator=AnchorGenerator(tuple((s,) for s in STRIDES), ((1.0,),) * len(STRIDES)),
        head=FCOSHead(CHANNELS, 1, CLASSES) if variant == "plain" else make_head(variant),
    )
    model.transform = OwnSizeTransform(image_mean=[0.5] * 3, image_std=[0.25] * 3)
    return model


@pytest.mark.parametrize("sizes", [[(16, 16), (8, 8)], [(5, 7), (3, 4), (2, 2), (1, 1)]])
def test_head_shapes(sizes):
    outputs = make_head()([torch.randn(2, CHANNELS, *size) for size in sizes])
    positions = sum(h * w for h, w in sizes)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "cls_logits": (2, positions, CLASSES),
        "bbox_regression": (2, positions, 4),
        "bbox_ctrness": (2, positions, 1),
    }


def test_head_reads_the_branch_that_belongs_to_each_task():
    head = make_head().eval()
    stir(head.trunk)
    features = [torch.randn(1, CHANNELS, 4, 4), torch.randn(1, CHANNELS, 2, 2)]
    cls_features, box_features = head.trunk(features)
    outputs = head(features)
    for name, conv, maps in (
        ("cls_logits", head.classification_head.cls_logits, cls_features),
        ("bbox_ctrness", head.regression_head.bbox_ctrness, box_features),
        ("bbox_regression", nn.Sequential(head.regression_head.bbox_reg, nn.ReLU()), box_features),
    ):
        expected = conv(maps[1])[0].permute(1, 2, 0)
        torch.testing.assert_close(outputs[name][0, 16:], expected.reshape(4, -1))


def test_no_tower_is_left():
    head = make_head("pconv")
    convs = [
        m for name, m in head.named_modules() if isinstance(m, nn.Conv2d) and "trunk" not in name
    ]
    assert len(convs) == 3


def test_head_refuses_a_trunk_that_shrinks_its_maps():
    with pytest.raises(ValueError, match=r"head_padding='same'.*got 'valid'"):
        make_head(head_padding="valid")


@pytest.mark.parametrize("variant", ["plain", "pconv", "pconv_ibn", "sepc_lite", "sepc"])
def test_losses_reach_every_parameter(variant):
    check_losses_reach_every_parameter(make_fcos(variant), LOSSES)


def test_batch_without_any_object_has_finite_losses():
    check_losses_without_objects(make_fcos("sepc"), LOSSES)


@pytest.mark.parametrize("size", [(128, 128), (100, 75)])
def test_detections_lie_in_the_image(size):
    model = make_fcos("sepc").eval()
    stir(model.head.trunk)
    images = model.transform([torch.rand(3, 128, 128)])[0]
    with torch.no_grad():
        outputs = model.head(list(model.backbone(images.tensors).values()))
        head = model.head
        spread(head.classification_head.cls_logits, outputs["cls_logits"], std=1.0, bias=-2.0)
        spread(head.regression_head.bbox_reg, outputs["bbox_regression"], std=1.0, bias=2.0)
        found = model([torch.rand(3, *size)])[0]
    boxes, scores, classes = found["boxes"], found["scores"], found["labels"]
    assert 0 < len(boxes) <= 100
    assert boxes.min() >= 0
    assert (boxes.amax(dim=0) <= torch.tensor([size[1], size[0]] * 2)).all()
    assert ((classes >= 0) & (classes < CLASSES)).all()
    assert (scores.diff() <= 0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_image_that_is_not_finite_gives_no_detections(value):
    model = make_fcos("sepc").eval()
    with torch.no_grad():
        assert len(model([torch.full((3, 64, 64), value)])[0]["scores"]) == 0


def test_four_images_can_be_learnt():
    """One object per image, told apart by its color: the classes and places are found."""
    model = make_fcos("pconv_ibn")
    images = torch.zeros(4, 3, 64, 64)
    boxes = [[4, 8, 36, 40], [24, 20, 60, 56], [8, 24, 40, 60], [20, 4, 52, 36]]
    labels = [0, 1, 2, 0]
    for image, (x1, y1, x2, y2), label in zip(images, boxes, labels, strict=True):
        image[label, y1:y2, x1:x2] = 1.0
    targets = [target([box], [label]) for box, label in zip(boxes, labels, strict=True)]
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        losses = model(list(images), targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    with torch.no_grad():
        found = model.eval()(list(images))
    for detections, box, label in zip(found, boxes, labels, strict=True):
        assert detections["labels"][0] == label
        torch.testing.assert_close(
            detections["boxes"][0], torch.tensor(box, dtype=torch.float32), rtol=0, atol=6.0
        )
