"""Pyramid convolution after FPN, alone and in Detectron2's two-stage detectors."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectron2.utils.events import EventStorage
from torch import nn

from sepc import PyramidNorm
from sepc.d2.backbones.pconv_neck import PyramidConvBackbone

from .helpers import CONFIGS, config_of, image_input

BOXES = [[5, 5, 30, 30], [20, 10, 60, 40]]
LEVELS = ["p2", "p3", "p4", "p5", "p6"]


class Strided(Backbone):
    """Maps of the strides 4 to 32, sizes rounded up, without a network."""

    def __init__(self, channels=6):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        scaled = x.new_ones(1) * x.mean(dim=1, keepdim=True).expand(-1, self.channels, -1, -1)
        return {f"res{i}": scaled[:, :, :: 2**i, :: 2**i] for i in range(2, 6)}

    def output_shape(self):
        return {f"res{i}": ShapeSpec(channels=self.channels, stride=2**i) for i in range(2, 6)}


def make_fpn(channels=8, square_pad=0):
    return FPN(
        Strided(),
        ["res2", "res3", "res4", "res5"],
        channels,
        top_block=LastLevelMaxPool(),
        square_pad=square_pad,
    )


class Levels(Backbone):
    """Only says which levels it has."""

    def __init__(self, **shapes):
        super().__init__()
        self.shapes = {k: ShapeSpec(channels=c, stride=s) for k, (c, s) in shapes.items()}

    def forward(self, x):
        raise NotImplementedError

    def output_shape(self):
        return self.shapes


def test_takes_the_place_of_fpn():
    fpn = make_fpn(square_pad=128)
    backbone = PyramidConvBackbone(fpn=fpn, num_stages=2)
    assert backbone.output_shape() == fpn.output_shape()
    assert backbone.size_divisibility == 32
    assert backbone.padding_constraints == {"square_size": 128}
    x = torch.randn(2, 3, 64, 96)
    before, after = fpn(x), backbone(x)
    assert list(after) == LEVELS
    assert {k: v.shape for k, v in after.items()} == {k: v.shape for k, v in before.items()}


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160), (160, 32)])
def test_max_pooled_p6_rounds_up_as_pyramid_convolution_wants_it(height, width):
    # P5 has 1, 3 or 5 cells: odd sizes, of which P6 has half, rounded up
    outputs = PyramidConvBackbone(fpn=make_fpn())(torch.randn(1, 3, height, width))
    p5, p6 = outputs["p5"].shape[-2:], outputs["p6"].shape[-2:]
    assert tuple(p5) == (height // 32, width // 32)
    assert tuple(p6) == tuple((n + 1) // 2 for n in p5)


def test_other_channels_go_out():
    backbone = PyramidConvBackbone(fpn=make_fpn(), out_channels=4, num_stages=1)
    assert {s.channels for s in backbone.output_shape().values()} == {4}
    assert backbone(torch.randn(1, 3, 32, 32))["p2"].shape == (1, 4, 8, 8)


def test_every_level_reads_its_neighbors():
    fpn = make_fpn()
    backbone = PyramidConvBackbone(fpn=fpn, num_stages=1)
    x = torch.randn(1, 3, 128, 128)
    features = [v.detach().requires_grad_() for v in fpn(x).values()]
    backbone.pconv(features)[2].sum().backward()
    assert [f.grad is not None and bool(f.grad.any()) for f in features] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_norm_is_one_for_all_levels_of_a_stage():
    backbone = PyramidConvBackbone(fpn=make_fpn(), num_stages=3, norm="BN")
    norms = [m for m in backbone.modules() if isinstance(m, PyramidNorm)]
    assert [type(m.shared) for m in norms] == [nn.BatchNorm2d] * 3
    backbone(torch.randn(2, 3, 64, 64))
    assert all(m.shared.num_batches_tracked == 1 for m in norms)


def test_levels_are_taken_by_stride_whatever_their_order():
    backbone = PyramidConvBackbone(fpn=Levels(b=(4, 16), c=(4, 32), a=(4, 8)))
    assert backbone.levels == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (dict(a=(4, 8), b=(4, 32)), r"\['a', 'b'\] with channels \[4, 4\] and strides \[8, 32\]"),
        (dict(a=(4, 8), b=(6, 16)), r"channels \[4, 6\] and strides \[8, 16\]"),
    ],
)
def test_other_pyramids_are_refused(shapes, message):
    with pytest.raises(ValueError, match=message):
        PyramidConvBackbone(fpn=Levels(**shapes))


def test_no_stage_is_refused():
    with pytest.raises(ValueError, match="num_stages of 1 or more, got 0"):
        PyramidConvBackbone(fpn=make_fpn(), num_stages=0)


DETECTORS = {
    "faster_rcnn": "COCO-Detection",
    "mask_rcnn": "COCO-InstanceSegmentation",
    "cascade_mask_rcnn": "COCO-InstanceSegmentation",
}


@pytest.mark.parametrize("name", DETECTORS)
class TestDetectors:
    """Detectron2's detectors as they are, the neck apart."""

    @pytest.fixture
    def cfg(self, name):
        cfg = config_of(CONFIGS / DETECTORS[name] / f"{name}_R_50_FPN_pconv_ibn_1x.py")
        cfg.model.backbone.out_channels = 16
        return cfg

    @pytest.fixture
    def model(self, cfg):
        torch.manual_seed(7)
        return instantiate(cfg.model)

    def train(self, model, inputs):
        with EventStorage():
            losses = model.train()(inputs)
        assert all(loss.isfinite() for loss in losses.values())
        sum(losses.values()).backward()
        for parameter_name, parameter in model.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, parameter_name
                assert parameter.grad.isfinite().all(), parameter_name

    def test_images_of_other_sizes(self, model):
        inputs = [image_input(64, 72, BOXES, [0, 5]), image_input(70, 33, BOXES[:1], [1])]
        self.train(model, inputs)
        with torch.no_grad():
            outputs = [x["instances"] for x in model.eval()(inputs)]
        assert [x.image_size for x in outputs] == [(64, 72), (70, 33)]

    def test_images_without_objects(self, model):
        self.train(model, [image_input(64, 64, [], []), image_input(50, 61, [], [])])

    def test_batch_with_and_without_objects(self, model):
        self.train(model, [image_input(64, 64, [], []), image_input(64, 64, BOXES, [2, 3])])

    def test_only_the_backbone_differs_from_the_baseline(self, cfg, name):
        plain = config_of(CONFIGS / DETECTORS[name] / f"{name}_R_50_FPN_1x.py")
        cfg.model.backbone = cfg.model.backbone.fpn
        cfg.train.output_dir = plain.train.output_dir
        assert cfg == plain
