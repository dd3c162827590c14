"""Faster, Mask and Cascade R-CNN with pyramid convolution after FPN, as TorchScript and ONNX."""

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.config import instantiate

from sepc.d2.export import ExportedModel, export_model
from sepc.d2.export.detector import detect
from sepc.d2.export.two_stage import ExportableRCNN
from sepc.export import compare_detections, load_exported

from ..d2.helpers import CONFIGS, config_of

DETECTORS = {
    "faster_rcnn": "COCO-Detection",
    "mask_rcnn": "COCO-InstanceSegmentation",
    "cascade_mask_rcnn": "COCO-InstanceSegmentation",
}


def make(name):
    """Untrained, with predictors that tell regions and classes apart."""
    torch.manual_seed(0)
    cfg = config_of(CONFIGS / DETECTORS[name] / f"{name}_R_50_FPN_pconv_ibn_1x.py")
    stages = cfg.model.backbone.fpn.bottom_up.stages
    stages.depth = 18
    del stages.stride_in_1x1
    cfg.model.backbone.out_channels = 16
    cfg.model.roi_heads.num_classes = 5
    model = instantiate(cfg.model).eval()
    predictors = model.roi_heads.box_predictor
    for predictor in predictors if isinstance(predictors, torch.nn.ModuleList) else [predictors]:
        torch.nn.init.normal_(predictor.cls_score.weight, std=0.3)
        torch.nn.init.normal_(predictor.bbox_pred.weight, std=0.05)
    for module in (model.proposal_generator.rpn_head.objectness_logits,):
        torch.nn.init.normal_(module.weight, std=0.5)
    return model


def images(sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(256, (3, *s), dtype=torch.uint8, generator=generator) for s in sizes]


# Cascade Mask R-CNN has all parts of the other two
ONE_AND_SLOW_ONES = pytest.mark.parametrize(
    "name",
    [
        pytest.param("faster_rcnn", marks=pytest.mark.slow),
        pytest.param("mask_rcnn", marks=pytest.mark.slow),
        "cascade_mask_rcnn",
    ],
)


@ONE_AND_SLOW_ONES
def test_torchscript(name, tmp_path):
    model = make(name)
    path = tmp_path / "detector.ts"
    agreement = export_model(
        model, path, format="torchscript", images=images([(96, 128), (64, 64), (101, 75)])
    )
    assert agreement.images == 3
    assert agreement.detections >= 10
    exported = load_exported(path, trust=True)
    has_masks = name != "faster_rcnn"
    assert exported.signature.masks == has_masks
    image = images([(80, 70)])[0]
    outputs = exported(image)
    assert list(outputs) == ["boxes", "scores", "classes", *(["masks"] if has_masks else [])]
    if has_masks:
        assert outputs["masks"].shape == (len(outputs["scores"]), 1, 28, 28)
    given = {"image": image, "height": 160, "width": 140}
    found, expected = (
        m([given])[0]["instances"] for m in (ExportedModel(exported), model.requires_grad_(False))
    )
    assert found.image_size == (160, 140)
    torch.testing.assert_close(
        found.pred_boxes.tensor, expected.pred_boxes.tensor, atol=0.01, rtol=0
    )
    if has_masks:
        assert (found.pred_masks == expected.pred_masks).float().mean() > 0.999


@ONE_AND_SLOW_ONES
def test_onnx(name, tmp_path):
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    model = make(name)
    path, size = tmp_path / "detector.onnx", (101, 139)
    agreement = export_model(
        model, path, format="onnx", images=images([size, size]), image_size=size
    )
    assert agreement.images == 2
    assert agreement.detections >= 10
    assert load_exported(path).signature.masks == (name != "faster_rcnn")


def test_values_that_are_not_finite_are_left_out_as_by_the_model():
    model = make("faster_rcnn")
    with torch.no_grad():  # where some logits, and so some boxes, are not finite
        model.proposal_generator.rpn_head.objectness_logits.weight[0, 0] = torch.inf
        model.roi_heads.box_predictor.bbox_pred.bias[3] = torch.inf
    (image,) = images([(96, 128)])
    with torch.no_grad():
        found = ExportableRCNN(model).eval()(image)
    compare_detections(detect(model, image), found)


def test_one_image_at_a_time(tmp_path):
    with pytest.raises(ValueError, match="one image at a time for a two-stage detector, got batch"):
        export_model(
            make("faster_rcnn"),
            tmp_path / "x",
            format="torchscript",
            images=images([(64, 64)]),
            batch=2,
        )
