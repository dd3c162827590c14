"""DyHead in the place of the trunk, in every one-stage detector; and its export."""

import pytest
import torch
from detectron2.config import LazyCall, instantiate
from detectron2.utils.events import EventStorage

from sepc.d2.export import export_model
from sepc.layers import DyHead

from .detector import BOXES
from .helpers import image_input, tiny_config

DETECTORS = ["atss", "fcos", "free_anchor", "fsaf", "fsaf_retinanet", "gfl", "retinanet"]


def small(folder, detector):
    torch.manual_seed(0)
    cfg = tiny_config(folder, "sepc", detector, **{"model.backbone.out_channels": 16})
    cfg.model.head.trunk = LazyCall(DyHead)(
        in_channels=16, num_blocks=1, num_levels=4, num_groups=2
    )
    return instantiate(cfg.model)


@pytest.mark.parametrize("detector", DETECTORS)
def test_trains_and_detects(detector, tmp_path):
    model = small(tmp_path, detector)
    batch = [image_input(64, 72, BOXES, [0, 5]), image_input(70, 33, [], [])]
    with EventStorage():
        losses = model(batch)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.head.trunk.blocks[0].from_coarser.conv.weight.grad.any()
    with torch.no_grad():
        (result,) = model.eval()([image_input(64, 72)])
    assert result["instances"].image_size == (64, 72)


@pytest.mark.slow
def test_exported_file_finds_the_same(tmp_path):
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    model = small(tmp_path, "atss").eval()
    with torch.no_grad():
        for name, parameter in model.head.named_parameters():
            if (
                "offset" in name or "cls_score" in name
            ):  # taps that move, scores above the threshold
                parameter.normal_(std=0.1)
    images = [
        torch.randint(256, (3, *size), dtype=torch.uint8) for size in ((150, 181), (170, 133))
    ]
    agreement = export_model(model, tmp_path / "atss.onnx", format="onnx", images=images)
    assert agreement.detections > 5
