"""RCNet behind Detectron2's backbones, and as the pyramid of our detectors."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage

from sepc import convert_state_dict
from sepc.checkpoint.names import restore_state_dict
from sepc.d2.backbones.rcnet import RCNetBackbone
from sepc.d2.engine import load_config

from .helpers import CONFIGS, config_of, image_input
from .test_backbone import Levels, Strided
from .yaml_configs import read

YAML = CONFIGS / "yaml" / "retinanet_R_50_rcnet_1x.yaml"


def test_takes_the_place_of_fpn():
    backbone = RCNetBackbone(
        bottom_up=Strided(), in_features=["res3", "res4", "res5"], out_channels=8
    )
    outputs = backbone.eval()(torch.randn(2, 3, 160, 96))
    assert {k: tuple(v.shape) for k, v in outputs.items()} == {
        "p3": (2, 8, 20, 12),
        "p4": (2, 8, 10, 6),
        "p5": (2, 8, 5, 3),
        "p6": (2, 8, 3, 2),
        "p7": (2, 8, 2, 1),
    }
    shapes = backbone.output_shape()
    assert [(k, s.stride, s.channels) for k, s in shapes.items()] == [
        (f"p{i}", 2**i, 8) for i in range(3, 8)
    ]
    assert backbone.size_divisibility == 32


def test_levels_of_two_stage_detectors():
    features = ["res2", "res3", "res4", "res5"]
    backbone = RCNetBackbone(bottom_up=Strided(), in_features=features, out_channels=8)
    assert list(backbone.output_shape()) == ["p2", "p3", "p4", "p5", "p6"]


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match=r"double, got \['a', 'b'\] with strides \[8, 32\]"):
        RCNetBackbone(bottom_up=Levels(a=(4, 8), b=(4, 32)), in_features=["a", "b"], out_channels=8)


@pytest.mark.parametrize("detector", ["atss", "fcos", "gfl"])
def test_any_config_takes_it_in_a_line(detector, tmp_path):
    (tmp_path / "configs").symlink_to(CONFIGS)
    path = tmp_path / "config.py"
    path.write_text(
        f"from .configs.quickstart.{detector}_sepc import dataloader, lr_multiplier, model\n"
        f"from .configs.quickstart.{detector}_sepc import optimizer, train\n"
        "from .configs.common.models.rcnet import use_rcnet as _use_rcnet\n"
        "_use_rcnet(model)\n"
    )
    torch.manual_seed(0)
    model = instantiate(load_config(str(path)).model)
    with EventStorage():
        losses = model([image_input(64, 96, [[4, 8, 40, 50]], [1]) for _ in range(2)])
    sum(losses.values()).backward()
    pyramid = model.backbone.pyramid
    assert all(p.grad is not None and p.grad.isfinite().all() for p in pyramid.parameters())
    assert any(p.grad.any() for p in pyramid.shift.parameters())


def test_keys_of_yaml_reach_it():
    keys = ["NUM_LEVELS", 5, "NORM", "", "DEFORM_GROUPS", 0, "CROSS_SCALE", False]
    keys[::2] = [f"MODEL.SEPC.RCNET.{key}" for key in keys[::2]]
    pyramid = build_model(read(YAML, "MODEL.SEPC.VARIANT", "sepc_lite", *keys)).backbone.pyramid
    assert pyramid.shift is None
    assert not any("norm" in name or "offset" in name for name, _ in pyramid.named_parameters())
    with pytest.raises(ValueError, match=r"MODEL\.SEPC\.RCNET: num_levels: expected 3 or more"):
        build_model(read(YAML, "MODEL.SEPC.RCNET.NUM_LEVELS", 2))


def test_weights_go_by_the_names_of_its_authors_and_back():
    """A whole detector with the SEPC head behind, as others have trained the pair."""
    cfg = config_of(CONFIGS / "COCO-Detection" / "retinanet_R_50_rcnet_sepc_lite_1x.py")
    with torch.device("meta"):
        ours = instantiate(cfg.model).state_dict()
    theirs = restore_state_dict(ours)
    assert theirs.keys() >= {
        "backbone.layer1.0.conv1.weight",
        "neck.0.lateral_convs.2.bn.running_var",
        "neck.0.extra_downsamples.1.0.conv.weight",
        "neck.0.RevFP.p7.post_fusion.conv.conv_offset.bias",
        "neck.0.RevFP.p3.temp",
        "neck.0.CSN.msm.aggregation.4.1.weight",
        "neck.0.CSN.scaleContext.trans.bias",
    }
    assert convert_state_dict(theirs).keys() == ours.keys()
