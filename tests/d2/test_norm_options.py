"""Each norm, and each option of one, by one line of a quick-start config."""

import re

import pytest
import torch
from detectron2.config import LazyConfig, instantiate
from detectron2.layers import NaiveSyncBatchNorm
from detectron2.solver import get_default_optimizer_params
from detectron2.utils.events import EventStorage
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from quickstart.settings import config_of
from sepc import PyramidNorm, optimize_for_inference
from sepc.d2.engine import load_config
from sepc.layers import BatchChannelNorm, InstanceBatchNorm, LevelBatchNorm, SyncBatchNorm2d
from sepc.layers.weight_standardization import StandardizedWeights

from .helpers import CONFIGS, ROOT, image_input

NORM = "+model.head.trunk.norm="
KINDS = {
    "BN": nn.BatchNorm2d,
    "SyncBN": SyncBatchNorm2d,
    "naiveSyncBN": NaiveSyncBatchNorm,
    "naiveSyncBN_N": NaiveSyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": nn.GroupNorm,
    "LevelBN": LevelBatchNorm,
    "BCN": BatchChannelNorm,
    "InstanceBN": InstanceBatchNorm,
    "null": type(None),
}


def detector(line, name="retinanet", variant="pconv_ibn"):
    config, overrides = config_of(name, variant)
    cfg = load_config(str(ROOT / config), [*overrides, line])
    torch.manual_seed(0)
    return instantiate(cfg.model)


def train_step(model):
    inputs = [image_input(96, 128, [[4, 8, 40, 50]], [1]) for _ in range(2)]
    with EventStorage():
        losses = model.train()(inputs)
    sum(losses.values()).backward()
    return losses


@pytest.mark.parametrize("name", KINDS)
def test_norm_of_the_trunk(name):
    model = detector(NORM + name)
    norms = [m.shared for m in model.modules() if isinstance(m, PyramidNorm)]
    assert len(norms) == (0 if name == "null" else 6)
    assert all(type(norm) is KINDS[name] for norm in norms)
    losses = train_step(model)
    assert all(loss.isfinite() for loss in losses.values())
    gradients = [p.grad for p in model.head.trunk.parameters() if p.requires_grad]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert all(p.grad.any() for norm in norms for p in norm.parameters())
    model.eval()
    with torch.no_grad():
        image = [image_input(96, 128)]
        expected, folded = model(image)[0]["instances"], optimize_for_inference(model)
        torch.testing.assert_close(
            folded(image)[0]["instances"].scores, expected.scores, rtol=1e-3, atol=1e-4
        )


def test_lines_of_the_documentation():
    lines = re.findall(r"`(\+?(?:model|train)\.[\w.]+=\w+)`", (ROOT / "docs/norms.md").read_text())
    assert {NORM + name for name in KINDS if name != "naiveSyncBN"} <= set(lines)
    assert {"train.accumulate=4", "+model.head.trunk.freeze_norm=all"} <= set(lines)
    for line in lines:
        assert isinstance(detector(line), nn.Module), line


def test_detectron2s_naive_norm_has_its_mode():
    modes = [
        detector(NORM + name).head.trunk.cls_branch.norm.shared._stats_mode
        for name in KINDS
        if name.startswith("naive")
    ]
    assert modes == ["", "N"]


@pytest.mark.parametrize("name", ["BN", "SyncBN", "LevelBN", "BCN", "InstanceBN", "GN", "FrozenBN"])
def test_norm_of_plain_towers(name):
    model = detector(f"model.head.trunk.norm={name}", name="atss", variant="plain")
    towers = model.head.trunk.cls_tower.norms
    kinds = [type(getattr(n, "shared", n)) for n in towers]
    assert kinds == [KINDS[name]] * 4
    assert all(loss.isfinite() for loss in train_step(model).values())


@pytest.mark.parametrize("freeze", ["statistics", "all"])
def test_freezing(freeze):
    model = detector(f"+model.head.trunk.freeze_norm={freeze}")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    train_step(model)
    after = model.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed and all(key.startswith("backbone.") for key in changed)
    affine = [p for key, p in model.head.trunk.named_parameters() if ".norm." in key]
    assert len(affine) == 12
    assert all(p.requires_grad == (freeze == "statistics") for p in affine)
    assert all(p.grad is None for p in affine) == (freeze == "all")


def test_weight_standardization():
    model = detector("+model.head.trunk.weight_standardization=True")
    assert all(isinstance(stage.conv, StandardizedWeights) for stage in model.head.trunk.stages)
    train_step(model)


def test_a_callable_in_a_config_file(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(
        "from functools import partial\n"
        "from detectron2.config import LazyCall as L\n"
        "from detectron2.config import LazyConfig\n"
        "from torch import nn\n"
        "from sepc.d2.detectors.heads import SEPCHead\n"
        f"cfg = LazyConfig.load({str(CONFIGS / 'quickstart' / 'retinanet_sepc.py')!r})\n"
        "dataloader, lr_multiplier, model, optimizer, train = (\n"
        "    cfg[k] for k in ('dataloader', 'lr_multiplier', 'model', 'optimizer', 'train'))\n"
        "model.head.trunk.norm = nn.InstanceNorm2d\n"
    )
    model = instantiate(load_config(str(path)).model)
    assert type(model.head.trunk.cls_branch.norm.shared) is nn.InstanceNorm2d
    LazyConfig.save(load_config(str(path)), str(tmp_path / "saved.yaml"))
    train_step(model)


def test_weight_decay_of_norms_finds_them_all():
    """Detectron2 tells norms by their class; those over a pyramid are of such."""
    for name in ("BN", "SyncBN", "LevelBN", "BCN", "InstanceBN", "GN"):
        model = detector(NORM + name)
        groups = get_default_optimizer_params(model, weight_decay=0.1, weight_decay_norm=0.0)
        decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
        parameters = dict(model.head.trunk.named_parameters())
        assert all((decay[id(p)] == 0.0) == (".norm." in key) for key, p in parameters.items())
