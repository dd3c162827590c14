"""Small detectors of torchvision, and what their tests share."""

import torch

from sepc.export import compare_detections
from sepc.tv import ExportableDetector, build_small_retinanet, detect

from ..export.helpers import spread, stir

CLASSES = 3


def small(variant="pconv_ibn", **overrides):
    """A small RetinaNet of 8 channels, seeded."""
    torch.manual_seed(0)
    overrides = {} if variant == "plain" else {"num_stages": 1, **overrides}
    return build_small_retinanet(variant, num_classes=CLASSES, channels=8, **overrides)


def shallow(variant):
    """Arguments of a small detector for a trunk of one stage, or towers of one convolution."""
    return {"num_convs" if variant.startswith("plain") else "num_stages": 1}


def with_detections(model):
    """The model, with weights that make it find something in anything."""
    stir(model.head.trunk)
    images = model.transform([torch.rand(3, 128, 128)])[0]
    boxes = model.head.regression_head.bbox_reg
    with torch.no_grad():
        outputs = model.head.eval()(list(model.backbone.eval()(images.tensors).values()))
    spread(model.head.classification_head.cls_logits, outputs["cls_logits"], std=0.7, bias=-3.0)
    spread(boxes, outputs["bbox_regression"], std=0.2, bias=float(boxes.bias[0].detach()))
    return model.train()


def target(boxes, labels):
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def check_losses_reach_every_parameter(model, names):
    """A batch with and without objects has the losses of these names, and finite gradients."""
    images = [torch.rand(3, 128, 128), torch.rand(3, 128, 128)]
    targets = [target([[10, 10, 60, 90], [70, 70, 90, 90]], [0, 2]), target([], [])]
    losses = model(images, targets)
    assert set(losses) == names
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def check_losses_without_objects(model, names):
    """Of the losses of a batch without any object only that of the classes is above zero."""
    losses = model([torch.rand(3, 64, 64)] * 2, [target([], []), target([], [])])
    assert set(losses) == names
    for name, loss in losses.items():
        assert loss > 0 if name == "classification" else loss == 0, name
    sum(losses.values()).backward()


def check_exportable_form(model, size):
    """The exportable form of a model with detections finds in an image what the model finds."""
    image = torch.randint(256, (3, *size), dtype=torch.uint8)
    with torch.no_grad():
        found = ExportableDetector(model)(image)
    assert compare_detections(detect(model, image), found).detections > 0
