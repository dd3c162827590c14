"""Every file of configs/: loads, is saved and read back, trains a step and detects."""

import functools
from pathlib import Path

import pytest
import torch
import torchvision

pytest.importorskip("detectron2")

from detectron2.config import LazyCall, LazyConfig, instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from detectron2.utils.events import EventStorage
from omegaconf import OmegaConf
from torch.nn import functional as F

from sepc.d2.engine import load_config

from .d2.helpers import config_of, image_input, loaded

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FILES = sorted(CONFIGS.rglob("*.py"))
COMMON = [f for f in FILES if f.is_relative_to(CONFIGS / "common")]
LEAVES = [f for f in FILES if f not in COMMON]


def name(path):
    return str(path.relative_to(CONFIGS))


def bottom_up_of(model):
    """The part of a model's config that makes the ResNet below FPN."""
    return model.backbone.get("fpn", model.backbone).bottom_up


@functools.cache
def first_of_each_backbone():
    """Leaves whose own ResNet takes the step; the others have one of these."""
    first = {}
    for path in LEAVES:
        first.setdefault(str(bottom_up_of(loaded(path).model)), path)
    return set(first.values())


class PooledPixels(Backbone):
    """Maps of the shapes of a ResNet, at next to no cost: means of pixels, in every channel."""

    def __init__(self, shapes: dict[str, ShapeSpec], out_features: list[str]) -> None:
        super().__init__()
        self._shapes = {name: ShapeSpec(**shapes[name]) for name in out_features}

    def forward(self, x):
        return {
            name: F.interpolate(x, [-(-side // shape.stride) for side in x.shape[-2:]], mode="area")
            .mean(dim=1, keepdim=True)
            .expand(-1, shape.channels, -1, -1)
            for name, shape in self._shapes.items()
        }

    def output_shape(self):
        return self._shapes


def smallest_side(cfg):
    """Of an image, in pixels: without padding in the branches, P7 has to have 3 x 3 cells."""
    trunk = cfg.model.get("head", {}).get("trunk", {})
    return 288 if trunk.get("head_padding") == "valid" else 64


@pytest.mark.parametrize("path", COMMON, ids=name)
def test_common_part_loads(path):
    assert len(LazyConfig.load(str(path)))


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_leaf_is_a_short_difference(path):
    code = [x for x in path.read_text().splitlines() if x.strip() and not x.startswith("#")]
    assert len(code) <= 15
    assert not any(x.lstrip().startswith(("for ", "class ", "def ", "if ")) for x in code)


@pytest.mark.parametrize("path", LEAVES, ids=name)
def test_leaf_works(path, tmp_path):
    if path.parent.name == "bccd":
        pytest.importorskip("efficientnet_lite_pytorch", reason="the extra efficientnet")
    cfg = config_of(path)
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    assert not (tmp_path / "config.yaml.pkl").exists(), "the config cannot be written as YAML"
    saved = load_config(str(tmp_path / "config.yaml"))
    assert OmegaConf.to_container(saved.train)["output_dir"].endswith(path.stem)

    with torch.device("meta"):
        full_size = instantiate(cfg.model)
    torch.manual_seed(0)
    cfg.model.backbone.out_channels = 64  # small enough for a test; the rest follows
    if path not in first_of_each_backbone():
        fpn = getattr(full_size.backbone, "fpn", full_size.backbone)
        shapes = fpn.bottom_up.output_shape()
        stub = LazyCall(PooledPixels)(shapes=shapes, out_features=list(shapes))
        cfg.model.backbone.get("fpn", cfg.model.backbone).bottom_up = stub
    model = instantiate(cfg.model)
    saved.optimizer.params.model = model
    optimizer = instantiate(saved.optimizer)
    assert 0 < instantiate(saved.lr_multiplier)(0.0) <= 1

    side = smallest_side(cfg)
    before = {k: v.detach().clone() for k, v in model.named_parameters() if "bias" in k}
    with EventStorage():
        images = 2 if side == 64 else 1
        losses = model([image_input(side, side, [[4, 8, 40, 50]], [1]) for _ in range(images)])
    sum(losses.values()).backward()
    optimizer.step()
    trained = dict(model.named_parameters())
    assert any(not torch.equal(v, trained[k]) for k, v in before.items())
    model.eval()
    with torch.no_grad():
        assert "instances" in model([image_input(side, side + 16)])[0]


def test_output_folders_differ():
    folders = [loaded(path).train.output_dir for path in LEAVES]
    assert len(set(folders)) == len(folders)


def test_variants_of_coco_retinanet_differ_in_one_word():
    variants = ["pconv", "pconv_ibn", "sepc_lite", "sepc"]
    files = [CONFIGS / "COCO-Detection" / f"retinanet_R_50_FPN_{v}_1x.py" for v in variants]
    configs = [config_of(f) for f in files]
    assert [cfg.model.head.trunk.variant for cfg in configs] == variants
    for cfg in configs:
        cfg.model.head.trunk.variant = cfg.train.output_dir = ""
    assert all(cfg.model == configs[0].model for cfg in configs)
    assert all(cfg.train == configs[0].train for cfg in configs)


@pytest.mark.parametrize("name", ["resnet101", "resnext101_64x4d"])
def test_larger_backbones_have_the_parameters_of_torchvision(name):
    leaf = {"resnet101": "R_101_FPN_sepc_1x", "resnext101_64x4d": "X_101_64x4d_FPN_sepc_2x"}[name]
    cfg = loaded(CONFIGS / "COCO-Detection" / f"retinanet_{leaf}.py")
    with torch.device("meta"):
        ours = instantiate(cfg.model.backbone.bottom_up)
        theirs = getattr(torchvision.models, name)()
    # Detectron2 freezes BN by turning its parameters into buffers
    ours = sorted(tuple(x.shape) for x in ours.state_dict().values() if x.dim() == 4)
    theirs = sorted(tuple(x.shape) for x in theirs.state_dict().values() if x.dim() == 4)
    assert ours == theirs
