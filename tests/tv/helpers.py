"""Small detectors of torchvision, and what their tests share."""

import torch

from sepc.tv import build_small_retinanet

from ..export.helpers import spread, stir

CLASSES = 3


def small(variant="pconv_ibn", **overrides):
    """A small RetinaNet of 8 channels, seeded."""
    torch.manual_seed(0)
    overrides = {} if variant == "plain" else {"num_stages": 1, **overrides}
    return build_small_retinanet(variant, num_classes=CLASSES, channels=8, **overrides)


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
