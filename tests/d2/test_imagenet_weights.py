"""Backbones of torchvision (timm has the same names) and mmdetection in a detector here."""

import copy
import re

import pytest
import torch
import torchvision
from detectron2.config import instantiate
from torch import nn
from torchvision.ops import DeformConv2d

from sepc import convert_state_dict
from sepc.d2.backbones.res2net import Res2NetBlock
from sepc.d2.engine import load_config
from sepc.jobs.convert import check_input

from ..helpers import randomize
from .helpers import CONFIGS
from .released import call_convert, convert, released_config

PLAIN = CONFIGS / "COCO-Detection" / "retinanet_R_50_FPN_sepc_1x.py"
DEFORM = CONFIGS / "COCO-Detection" / "gfl_R_50_FPN_dconv_c5_sepc_lite_1x.py"


def random_resnet(build=torchvision.models.resnet50):
    """Weights that are not the initial ones, with maps of moderate size."""
    torch.manual_seed(0)
    model = randomize(build(), scale=0.01)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.3, 0.7)
                module.bias.uniform_(-0.2, 0.2)
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.8, 1.2)
    return model.eval()


def stages(model, x):
    """What torchvision's layers 2 to 4 give."""
    x = model.maxpool(model.relu(model.bn1(model.conv1(x))))
    maps = []
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = layer(x)
        maps.append(x)
    return maps[1:]


def check_same(ours, theirs, image, normalized):
    with torch.no_grad():
        expected = stages(theirs, normalized)
        found = ours(image)
    for name, maps in zip(("res3", "res4", "res5"), expected, strict=True):
        scale = maps.abs().max().item()
        torch.testing.assert_close(found[name], maps, rtol=0, atol=1e-5 * scale)


def load_backbone(cfg, weights):
    backbone = instantiate(cfg.model.backbone.bottom_up).eval()
    prefix = "backbone.bottom_up."
    missing = backbone.load_state_dict(
        {name.removeprefix(prefix): x for name, x in weights.items()}, strict=False
    )
    assert not missing.unexpected_keys
    assert all("conv2_offset" in name for name in missing.missing_keys)
    return backbone


@pytest.mark.parametrize("config", [PLAIN, DEFORM], ids=lambda path: path.stem)
def test_torchvision_s_weights_compute_the_same(config, tmp_path, capsys):
    """With the config's own normalization; offsets start at zero, so a deforming stage too."""
    theirs = random_resnet()
    weights = convert(theirs.state_dict(), tmp_path, config)
    assert all(name.startswith("backbone.bottom_up.") for name in weights)
    assert "left out fc.weight: the classifier" in capsys.readouterr().out
    cfg = load_config(str(config))
    ours = load_backbone(cfg, weights)
    image = torch.randint(0, 256, (1, 3, 64, 96)).float()
    mean, std = (
        torch.tensor(x).view(-1, 1, 1) for x in (cfg.model.pixel_mean, cfg.model.pixel_std)
    )
    normalize = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert cfg.dataloader.train.mapper.image_format == "RGB"
    check_same(ours, theirs, (image - mean) / std, normalize(image / 255))


class MmdetDeformConv(nn.Module):
    """mmdetection's deformable convolution: it has the one of its offsets inside."""

    def __init__(self, conv):
        super().__init__()
        self.weight = conv.weight
        self.stride = conv.stride
        self.conv_offset = nn.Conv2d(conv.in_channels, 18, 3, conv.stride, 1)
        nn.init.normal_(self.conv_offset.weight, std=0.02)

    def forward(self, x):
        conv = DeformConv2d(1, 1, 3, stride=self.stride, padding=1, bias=False)
        conv.weight = self.weight
        return conv(x, self.conv_offset(x))


class Identity(nn.Identity):
    """For the layers of torchvision's stem that the deep one takes the place of."""


def mmdet_resnet_c():
    """mmdetection's ResNet with ``deep_stem=True`` and a last stage that deforms."""
    model = random_resnet()
    widths = [(3, 32, 2), (32, 32, 1), (32, 64, 1)]
    layers = []
    for before, after, stride in widths:
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)]
        layers.append(nn.ReLU())
    model.stem = randomize(nn.Sequential(*layers), scale=0.05)
    model.conv1, model.bn1, model.relu = model.stem, Identity(), Identity()
    for block in model.layer4:
        block.conv2 = MmdetDeformConv(block.conv2)
    return model.eval()


def test_deep_stem_and_deforming_stage_compute_the_same():
    theirs = mmdet_resnet_c()
    names = {
        f"backbone.{name}": x
        for name, x in theirs.state_dict().items()
        if not name.startswith(("fc.", "conv1.", "bn1."))
    }
    cfg = released_config("universenet50_2008s_2x")
    backbone = instantiate(cfg.model.backbone.bottom_up).eval()
    ours = {
        name.removeprefix("backbone.bottom_up."): x for name, x in convert_state_dict(names).items()
    }
    backbone.load_state_dict(ours, strict=True)
    image = torch.randn(1, 3, 96, 128)
    check_same(backbone, theirs, image, image)
    with torch.no_grad():  # the offsets are not too small to matter
        for block in theirs.layer4:
            block.conv2.conv_offset.weight.zero_()
            block.conv2.conv_offset.bias.zero_()
    with pytest.raises(AssertionError):
        check_same(backbone, theirs, image, image)


class MmdetBottle2neck(nn.Module):
    """mmdetection's block of Res2Net by its formula, and with its names."""

    def __init__(self, before, after, width, stride, deform):
        super().__init__()
        self.width, self.first = width, before != after
        self.conv1 = nn.Conv2d(before, 4 * width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4 * width)
        convs = [nn.Conv2d(width, width, 3, stride, 1, bias=False) for _ in range(3)]
        self.convs = nn.ModuleList(MmdetDeformConv(x) if deform else x for x in convs)
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
        self.conv3 = nn.Conv2d(4 * width, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.pool = nn.AvgPool2d(3, stride, 1) if stride > 1 else nn.Identity()
        if self.first:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(before, after, 1, bias=False),
                nn.BatchNorm2d(after),
            )

    def forward(self, x):
        a, b, c, d = self.bn1(self.conv1(x)).relu().split(self.width, 1)
        a = self.bns[0](self.convs[0](a)).relu()
        b = self.bns[1](self.convs[1](b if self.first else a + b)).relu()
        c = self.bns[2](self.convs[2](c if self.first else b + c)).relu()
        d = self.pool(d) if self.first else d
        out = self.bn3(self.conv3(torch.cat([a, b, c, d], 1)))
        return (out + (self.downsample(x) if self.first else x)).relu()


@pytest.mark.parametrize("deform", [False, True])
@pytest.mark.parametrize(
    ("before", "after", "width", "stride"), [(64, 256, 26, 1), (32, 64, 8, 2), (64, 64, 8, 1)]
)
def test_res2net_block_computes_the_same(before, after, width, stride, deform):
    torch.manual_seed(0)
    theirs = randomize(MmdetBottle2neck(before, after, width, stride, deform), scale=0.05).eval()
    ours = Res2NetBlock(
        before, after, bottleneck_channels=4 * width, stride=stride, deform=deform
    ).eval()
    prefix = "backbone.layer3.1."
    weights = convert_state_dict({f"{prefix}{k}": x for k, x in theirs.state_dict().items()})
    prefix = "backbone.bottom_up.res4.1."
    ours.load_state_dict({k.removeprefix(prefix): x for k, x in weights.items()}, strict=True)
    x = torch.randn(2, before, 14, 18)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("channels", "scales"), [(10, 4), (8, 1)])
def test_groups_of_res2net(channels, scales):
    with pytest.raises(
        ValueError, match=f"divides bottleneck_channels, got {scales} and {channels}"
    ):
        Res2NetBlock(4, 8, bottleneck_channels=channels, num_scales=scales)


def without(weights, *names):
    return {name: x for name, x in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: without(x, "layer3.0.conv2.weight"), r"model only: .*res4\.0\.conv2\.weight"),
        (lambda x: x | {"layer1.0.se.weight": torch.ones(1)}, r"only: layer1\.0\.se\.weight"),
        (lambda x: x | {"bn1.bias": torch.ones(3)}, r"bn1.bias -> .*: \(3,\) in the checkpoint"),
        # timm's resnet50d
        (lambda x: without(x, "conv1.weight") | {"conv1.0.weight": x["conv1.weight"]}, "conv1.0"),
    ],
)
def test_other_resnets_are_refused(change, message, tmp_path, capsys):
    weights = torchvision.models.resnet50().state_dict()
    assert call_convert(change(dict(weights)), tmp_path, PLAIN) == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert not (tmp_path / "ours.pth").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("retinanet_R_101_FPN_sepc_1x", "in the model only"),
        ("faster_rcnn_R_50_FPN_pconv_1x", "expect RGB images .* the config gives BGR"),
    ],
)
def test_configs_for_other_weights_are_refused(config, message, tmp_path, capsys):
    weights = torchvision.models.resnet50().state_dict()
    assert call_convert(weights, tmp_path, CONFIGS / "COCO-Detection" / f"{config}.py") == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert not (tmp_path / "ours.pth").exists()


def test_strides_in_the_1x1_are_refused():
    cfg = copy.deepcopy(released_config("retinanet_R_50_FPN_sepc_1x"))
    cfg.model.backbone.bottom_up.stages.stride_in_1x1 = True
    with torch.device("meta"):
        model = instantiate(cfg.model)
    with pytest.raises(ValueError, match="strides in the 3x3: set stride_in_1x1 to False"):
        check_input(cfg, model)
