"""The trunk in torchvision's SSD: SSDlite, whose levels have different channels."""

import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from sepc import build_sepc
from sepc.tv import SEPCSSDHead

CLASSES = 4  # with the background
CHANNELS = [672, 480, 512, 256, 256, 128]


def make_head(model, in_channels, variant="sepc", **overrides):
    return SEPCSSDHead(
        trunk=build_sepc(variant, 8, num_stages=1, **overrides),
        in_channels=in_channels,
        num_anchors=model.anchor_generator.num_anchors_per_location(),
        num_classes=CLASSES,
    )


@pytest.fixture(scope="module")
def ssdlite():
    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=CLASSES, score_thresh=0.0
    )
    model.head = make_head(model, CHANNELS)
    return model


def test_ssdlite_takes_a_training_step_and_detects(ssdlite):
    images = [torch.rand(3, 240, 300), torch.rand(3, 320, 320)]
    targets = [
        {"boxes": torch.tensor([[20.0, 30, 160, 200]]), "labels": torch.tensor([1])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    losses = ssdlite.train()(images, targets)
    assert set(losses) == {"bbox_regression", "classification"}
    sum(losses.values()).backward()
    # with one object not every level has a box to learn; classes are learned on all of them
    parts = (ssdlite.head.laterals, ssdlite.head.trunk, ssdlite.head.classification_head)
    for part in parts:
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert all(lateral.weight.grad.any() for lateral in ssdlite.head.laterals)

    with torch.no_grad():
        found = ssdlite.eval()(images)
    assert [set(x) for x in found] == [{"boxes", "scores", "labels"}] * 2
    assert len(found[0]["scores"]) > 0
    assert all(
        x["boxes"][:, 2].max() <= image.shape[2] for x, image in zip(found, images, strict=True)
    )


def test_predictions_of_a_level_stand_where_its_anchors_do(ssdlite):
    head = ssdlite.head.eval()
    maps = [torch.randn(1, c, n, n) for c, n in zip(CHANNELS, (20, 10, 5, 3, 2, 1), strict=True)]
    with torch.no_grad():
        outputs = head(maps)
        pyramid = [lateral(x) for lateral, x in zip(head.laterals, maps, strict=True)]
        cls_features, box_features = head.trunk(pyramid)
        last = head.classification_head.module_list[5](cls_features[5])  # (1, A * classes, 1, 1)
        box = head.regression_head.module_list[5](box_features[5])
    cells = 6 * (400 + 100 + 25 + 9 + 4 + 1)
    assert outputs["cls_logits"].shape == (1, cells, CLASSES)
    torch.testing.assert_close(outputs["cls_logits"][0, -6:], last.view(6, CLASSES))
    torch.testing.assert_close(outputs["bbox_regression"][0, -6:], box.view(6, 4))


def test_levels_that_are_not_halves_are_named(ssdlite):
    """Those of ``ssd300_vgg16``, whose last convolutions do not pad."""
    maps = [torch.zeros(1, c, n, n) for c, n in zip(CHANNELS, (38, 19, 10, 5, 3, 1), strict=True)]
    with pytest.raises(ValueError, match=r"level 5: expected half .* \(2, 2\) after \(3, 3\), got"):
        ssdlite.head(maps)


def test_arguments_out_of_range(ssdlite):
    with pytest.raises(ValueError, match="as many levels, got 2 and 6"):
        make_head(ssdlite, [8, 8])
    with pytest.raises(ValueError, match=r"head_padding='same'.*got 'valid'"):
        make_head(ssdlite, CHANNELS, head_padding="valid")
