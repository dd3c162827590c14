"""The trunk in torchvision's RetinaNet."""

import pytest
import torch

from sepc import build_sepc
from sepc.tv import SEPCRetinaNetHead, detect

from .helpers import (
    CLASSES,
    check_exportable_form,
    check_losses_reach_every_parameter,
    check_losses_without_objects,
    small,
    with_detections,
)

LOSSES = {"classification", "bbox_regression"}


@pytest.mark.parametrize("sizes", [[(16, 16), (8, 8)], [(5, 7), (3, 4), (2, 2), (1, 1)]])
def test_head_shapes(sizes):
    head = SEPCRetinaNetHead(trunk=build_sepc("pconv_ibn", 8), num_anchors=9, num_classes=CLASSES)
    outputs = head([torch.randn(2, 8, *size) for size in sizes])
    positions = 9 * sum(h * w for h, w in sizes)
    assert outputs["cls_logits"].shape == (2, positions, CLASSES)
    assert outputs["bbox_regression"].shape == (2, positions, 4)


def test_head_reads_the_branch_that_belongs_to_each_task():
    head = SEPCRetinaNetHead(trunk=build_sepc("pconv_ibn", 8), num_anchors=9, num_classes=CLASSES)
    head.eval()
    features = [torch.randn(1, 8, 4, 4), torch.randn(1, 8, 2, 2)]
    cls_features, box_features = head.trunk(features)
    logits = head.classification_head.cls_logits(cls_features[1])  # (1, A * K, 2, 2)
    deltas = head.regression_head.bbox_reg(box_features[1])
    outputs = head(features)
    torch.testing.assert_close(
        outputs["cls_logits"][0, 16 * 9 :].reshape(2, 2, 9 * CLASSES), logits[0].permute(1, 2, 0)
    )
    torch.testing.assert_close(
        outputs["bbox_regression"][0, 16 * 9 :].reshape(2, 2, 36), deltas[0].permute(1, 2, 0)
    )


def test_head_refuses_a_trunk_that_shrinks_its_maps():
    trunk = build_sepc("pconv", 8, head_padding="valid")
    with pytest.raises(ValueError, match=r"head_padding='same'.*got 'valid'"):
        SEPCRetinaNetHead(trunk=trunk, num_anchors=9, num_classes=CLASSES)


@pytest.mark.parametrize("variant", ["plain", "pconv", "pconv_ibn", "sepc_lite", "sepc"])
def test_losses_reach_every_parameter(variant):
    check_losses_reach_every_parameter(small(variant), LOSSES)


@pytest.mark.parametrize("training", [True, False])
def test_images_keep_their_size(training):
    model = small().train(training)
    images, _ = model.transform([torch.full((3, 100, 75), 0.75)])
    assert images.image_sizes == [(100, 75)]
    assert images.tensors.shape == (1, 3, 128, 96)
    torch.testing.assert_close(images.tensors[..., :100, :75], torch.ones(1, 3, 100, 75))


def test_batch_without_any_object_has_finite_losses():
    check_losses_without_objects(small(), LOSSES)


@pytest.mark.parametrize("size", [(128, 128), (100, 75)])
def test_detections_lie_in_the_image(size):
    boxes, scores, classes = detect(
        with_detections(small()), torch.randint(256, (3, *size), dtype=torch.uint8)
    )
    assert 0 < len(boxes) <= 100
    assert boxes.min() >= 0
    assert (boxes.amax(dim=0) <= torch.tensor([size[1], size[0]] * 2)).all()
    assert ((classes >= 0) & (classes < CLASSES)).all()
    assert (scores.diff() <= 0).all()


def test_detect_leaves_the_model_in_its_mode():
    model = small()
    detect(model.train(), torch.zeros(3, 64, 64, dtype=torch.uint8))
    assert model.training


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_image_that_is_not_finite_gives_no_detections(value):
    model = with_detections(small()).eval()
    with torch.no_grad():
        detections = model([torch.full((3, 64, 64), value)])[0]
    assert len(detections["scores"]) == 0


@pytest.mark.parametrize("variant", ["plain", "sepc"])
@pytest.mark.parametrize("size", [(128, 128), (100, 75)])
def test_exportable_form_finds_the_same(variant, size):
    check_exportable_form(with_detections(small(variant)), size)
