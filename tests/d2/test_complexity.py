"""Parameters and FLOPs, against counts by hand."""

import pytest
import torch
from detectron2.config import instantiate
from torch import nn

from dev import complexity
from dev.complexity import count_flops, count_parameters
from sepc import build_sepc
from sepc.layers import DeformConv2d

from .helpers import CONFIGS, config_of

SIZE = (16, 24)


def trace(module, channels=6):
    return complexity._trace(module.eval(), torch.zeros(1, channels, *SIZE))


@pytest.mark.parametrize(("modulated", "per_value"), [(False, 4), (True, 5)])
@pytest.mark.parametrize("groups", [1, 2])
def test_deformable_convolution(modulated, per_value, groups):
    conv = DeformConv2d(6, 8, 3, padding=1, modulated=modulated, deform_groups=groups)
    positions = SIZE[0] * SIZE[1]
    offsets = (3 if modulated else 2) * groups * 9
    kernel, offset, sampling = 6 * 9 * 8, 6 * 9 * offsets, per_value * 6 * 9
    assert trace(conv) == positions * (kernel + offset + sampling)


def test_stride_counts_positions_of_the_output():
    conv = DeformConv2d(6, 8, 3, stride=2, padding=1)
    assert trace(conv) == 8 * 12 * (6 * 9 * 8 + 6 * 9 * 18 + 4 * 6 * 9)


def test_finest_level_costs_what_a_plain_convolution_costs():
    class Finest(nn.Module):
        def __init__(self, variant):
            super().__init__()
            self.trunk = build_sepc(variant, 6, num_stages=1, norm=None)

        def forward(self, x):
            return self.trunk([x])

    assert trace(Finest("sepc")) == trace(Finest("pconv")) == SIZE[0] * SIZE[1] * 3 * 6 * 9 * 6


def test_unknown_operator_is_named():
    class Unknown(nn.Module):
        def forward(self, x):
            return torch.fft.fft2(x)

    with pytest.raises(ValueError, match=r"cost is known, got .*fft"):
        trace(Unknown())


def small_model(name):
    cfg = config_of(next(CONFIGS.glob(f"COCO-*/{name}.py")))
    cfg.model.backbone.out_channels = 32
    with torch.device("meta"):
        return instantiate(cfg.model)


def test_scaling_is_exact(monkeypatch):
    model = small_model("retinanet_R_50_FPN_sepc_1x")
    scaled = count_flops(model, 256, 256)
    monkeypatch.setattr(complexity, "_TRACED", 256)
    assert count_flops(model, 256, 256) == scaled


def test_heads_for_regions_do_not_grow_with_the_image():
    model = small_model("cascade_mask_rcnn_R_50_FPN_1x")
    small, large = count_flops(model, 128, 128), count_flops(model, 128, 256)
    regions = 2 * small - large
    boxes = 3 * (32 * 7 * 7 * 1024 + 1024 * 1024 + 1024 * (81 + 4))
    convs = 9 * 14 * 14 * 256 * (32 + 3 * 256)
    deconv, predictor = 28 * 28 * 256 * 256, 28 * 28 * 256 * 80
    masks = convs + deconv + predictor
    assert regions == 1000 * boxes + 100 * masks


def test_model_stays_as_it_is():
    model = nn.Conv2d(3, 4, 3)
    assert count_parameters(model) == 3 * 4 * 9 + 4
    detector = small_model("faster_rcnn_R_50_FPN_pconv_1x").train()
    count_flops(detector, 128, 128)
    assert detector.training
    assert next(detector.parameters()).device.type == "meta"


@pytest.mark.parametrize("size", [(800, 1280), (0, 128)])
def test_other_sizes_are_refused(size):
    message = f"multiples of 128 pixels, got {size[0]} x {size[1]}"
    with pytest.raises(ValueError, match=message):
        count_flops(nn.Identity(), *size)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="DenseDetector or GeneralizedRCNN, got Identity"):
        count_flops(nn.Identity(), 128, 128)
