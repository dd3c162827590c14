"""ATSS in torchvision: the assignment, the small detector, and its form for exporters."""

import pytest
import torch
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

from sepc.methods.atss import atss_assign
from sepc.tv import ExportableDetector, build_small_atss

from .helpers import (
    CLASSES,
    check_exportable_form,
    check_losses_reach_every_parameter,
    check_losses_without_objects,
    shallow,
    target,
    with_detections,
)

LOSSES = {"classification", "bbox_regression", "bbox_ctrness"}


def small(variant="sepc_lite", **overrides):
    torch.manual_seed(0)
    return build_small_atss(
        variant, num_classes=CLASSES, channels=32, **{**shallow(variant), **overrides}
    )


def test_positives_are_those_of_the_paper(monkeypatch):
    """The head is given what Algorithm 1 says of anchors of four strides, image by image."""
    model = small()
    given = {}

    def compute_loss(targets, head_outputs, anchors, assigned):
        given.update(anchors=anchors, assigned=assigned)
        return {"classification": torch.zeros(())}

    monkeypatch.setattr(model.head, "compute_loss", compute_loss)
    targets = [target([[8, 8, 40, 44], [60, 10, 125, 90]], [0, 2]), target([], [])]
    model([torch.rand(3, 128, 128)] * 2, targets)
    positions = [(128 // stride) ** 2 for stride in (4, 8, 16, 32)]
    for anchors, assigned, truth in zip(given["anchors"], given["assigned"], targets, strict=True):
        sides = [a[:, 2:] - a[:, :2] for a in anchors.split(positions)]
        assert [s.unique().tolist() for s in sides] == [[16], [32], [64], [128]]
        assert torch.equal(assigned, atss_assign(anchors, truth["boxes"], positions))
    assert set(given["assigned"][0].tolist()) == {-1, 0, 1}
    assert set(given["assigned"][1].tolist()) == {-1}


def test_boxes_start_as_their_anchors():
    model = small().eval()
    torch.nn.init.zeros_(model.head.regression_head.bbox_reg.weight)
    images, _ = model.transform([torch.rand(3, 64, 64)])
    features = list(model.backbone(images.tensors).values())
    anchors = model.anchor_generator(images, features)[0]
    with torch.no_grad():
        distances = model.head(features)["bbox_regression"][0]
    torch.testing.assert_close(model.box_coder.decode(distances, anchors), anchors)


@pytest.mark.parametrize(
    "variant", ["plain", "plain_gn", "pconv", "pconv_ibn", "sepc_lite", "sepc"]
)
def test_losses_reach_every_parameter(variant):
    check_losses_reach_every_parameter(small(variant), LOSSES)


def test_batch_without_any_object_has_finite_losses():
    check_losses_without_objects(small(), LOSSES)


@pytest.mark.parametrize("variant", ["plain_gn", "sepc"])
@pytest.mark.parametrize("size", [(128, 128), (100, 75)])
def test_exportable_form_finds_the_same(variant, size):
    check_exportable_form(with_detections(small(variant)), size)


def test_other_detectors_are_refused():
    model = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    with pytest.raises(TypeError, match="RetinaNet or FCOS, got FasterRCNN"):
        ExportableDetector(model)
