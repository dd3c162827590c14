"""SEPC's YAML files make the models and recipes of the LazyConfig ones, and its keys reach them."""

from collections.abc import Sequence

import pytest
import torch
from detectron2.config import instantiate
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage
from torch import nn

import sepc
from sepc.d2.backbones.pconv_neck import PyramidConvBackbone
from sepc.d2.cfgnode import SEPCATSS
from sepc.layers import Towers

from .helpers import CONFIGS, config_of, image_input
from .yaml_configs import DENSE, YAML, path_of, read

RETINANET, FASTER_RCNN = path_of("retinanet"), path_of("faster_rcnn")
ATSS, GFL = path_of("atss"), path_of("gfl")


def lazy_of(stem):
    return config_of(next(CONFIGS.glob(f"COCO-*/{stem}.py")))


def lazy_model(stem):
    model = lazy_of(stem).model
    model.backbone.out_channels = 32
    model.backbone.get("fpn", model.backbone).out_channels = 32
    return instantiate(model)


@pytest.fixture(scope="module", params=YAML, ids=lambda path: path.stem)
def pair(request):
    """A model from YAML and that of the LazyConfig, with the same weights."""
    torch.manual_seed(0)
    ours, lazy = build_model(read(request.param)), lazy_model(request.param.stem)
    for name, parameter in ours.named_parameters():
        if name.endswith("cls_score.bias"):
            nn.init.zeros_(parameter)  # so that scores are above the thresholds
    lazy.load_state_dict(ours.state_dict())
    return ours, lazy


def plain(value):
    """Plain data of an attribute, to be compared."""
    if isinstance(value, str) or value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Sequence):
        return [plain(x) for x in value]
    if isinstance(value, dict):
        return {str(key): plain(x) for key, x in value.items()}
    if isinstance(value, type) or callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return [type(value).__qualname__, plain(getattr(value, "__dict__", {}))]


def settings_of(model):
    """What is no tensor, by module and attribute: thresholds, weights of losses, strides, ..."""
    found = {
        (name, key): plain(value)
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if not key.startswith("_") and key != "training"
    }
    for (_, key), value in found.items():
        if key == "loss_weight" and isinstance(value, dict):  # of Detectron2's box predictor
            value.setdefault("loss_cls", 1.0)  # what a loss that is not named gets there
    return found


def classes_of(model):
    return {name: type(module) for name, module in model.named_modules() if name}


def test_model_is_the_lazy_one(pair):
    ours, lazy = pair
    assert isinstance(ours, type(lazy))
    assert ours.state_dict().keys() == lazy.state_dict().keys()
    assert classes_of(ours) == classes_of(lazy)
    assert settings_of(ours) == settings_of(lazy)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(lazy.named_buffers()))
    trained = [{n for n, p in model.named_parameters() if p.requires_grad} for model in pair]
    assert trained[0] == trained[1]


def test_model_learns_and_finds_what_the_lazy_one_does(pair):
    torch.manual_seed(0)
    batch = [
        image_input(96, 64, [[8, 8, 40, 60], [20, 30, 60, 90]], [3, 7]),
        image_input(64, 96, [[5, 5, 90, 60]], [1]),
    ]
    losses, found = [], []
    for model in pair:
        torch.manual_seed(1)  # two-stage detectors draw proposals
        with torch.no_grad(), EventStorage():
            losses.append({k: v for k, v in model.train()(batch).items() if "loss" in k})
        model.load_state_dict(pair[0].state_dict())  # batch norm counts
        (result,) = model.eval()([image_input(64, 64) | {"image": batch[0]["image"][:, :64]}])
        found.append(result["instances"])
    assert losses[0]
    torch.testing.assert_close(losses[0], losses[1])
    for field in ("pred_boxes", "scores", "pred_classes"):
        first, second = (getattr(getattr(x, field), "tensor", getattr(x, field)) for x in found)
        torch.testing.assert_close(first, second)
    if hasattr(pair[0], "head"):
        assert len(found[0]) > 0


@pytest.mark.parametrize("path", DENSE, ids=lambda path: path.stem)
def test_plain_variant_is_the_lazy_baseline(path):
    ours = build_model(read(path, "MODEL.SEPC.VARIANT", "plain"))
    lazy = lazy_model(path.stem.replace("_sepc", ""))
    lazy.load_state_dict(ours.state_dict())
    assert classes_of(ours) == classes_of(lazy)
    assert settings_of(ours) == settings_of(lazy)


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.stem)
def test_recipe_is_that_of_the_lazy_config(path):
    cfg, lazy = read(path, small=[]), lazy_of(path.stem)
    solver, multiplier, loader = cfg.SOLVER, lazy.lr_multiplier, lazy.dataloader.train
    assert lazy.train.init_checkpoint == cfg.MODEL.WEIGHTS
    assert lazy.train.max_iter == solver.MAX_ITER
    assert list(multiplier.scheduler.milestones)[:2] == list(solver.STEPS)
    assert round(multiplier.warmup_length * lazy.train.max_iter) == solver.WARMUP_ITERS
    assert multiplier.warmup_factor == pytest.approx(solver.WARMUP_FACTOR)
    assert lazy.optimizer.lr == solver.BASE_LR
    assert lazy.optimizer.momentum == solver.MOMENTUM
    assert lazy.optimizer.weight_decay == solver.WEIGHT_DECAY
    decay_norm = lazy.optimizer.params.weight_decay_norm  # None: like the rest
    decay_norm = lazy.optimizer.weight_decay if decay_norm is None else decay_norm
    assert decay_norm == solver.WEIGHT_DECAY_NORM
    clip = lazy.train.grad_clip
    assert (clip and clip.max_norm) == (
        solver.CLIP_GRADIENTS.CLIP_VALUE if solver.CLIP_GRADIENTS.ENABLED else None
    )
    assert lazy.train.amp.enabled == solver.AMP.ENABLED
    assert loader.total_batch_size == solver.IMS_PER_BATCH
    assert loader.mapper.image_format == cfg.INPUT.FORMAT
    assert lazy.model.get("input_format", cfg.INPUT.FORMAT) == cfg.INPUT.FORMAT
    sizes = loader.mapper.augmentations[0].short_edge_length
    assert ([sizes] if isinstance(sizes, int) else list(sizes)) == list(cfg.INPUT.MIN_SIZE_TRAIN)


@pytest.mark.parametrize("variant", ["pconv", "pconv_ibn", "sepc_lite", "sepc"])
def test_variant_is_one_key(variant):
    trunk = build_model(read(GFL, "MODEL.SEPC.VARIANT", variant)).head.trunk
    expected = sepc.build_sepc(variant, 32, num_levels=5)
    assert settings_of(trunk) == settings_of(expected)
    expected.load_state_dict(trunk.state_dict())


def test_every_argument_of_the_trunk_is_a_key():
    arguments = {
        "out_channels": 64,
        "num_stages": 2,
        "norm": "GN",
        "deform_stages": False,
        "deform_branches": True,
        "modulated": True,
        "deform_groups": 2,
        "deform_finest": True,
        "kernel_size": 5,
        "num_levels": 5,
        "cross_level": False,
        "freeze_norm": "statistics",
        "weight_standardization": True,
    }
    keys = [x for name, v in arguments.items() for x in (f"MODEL.SEPC.{name.upper()}", str(v))]
    trunk = build_model(read(ATSS, *keys)).head.trunk  # as strings: from the command line
    expected = sepc.build_sepc("sepc", 32, **arguments)
    assert settings_of(trunk) == settings_of(expected)
    expected.load_state_dict(trunk.state_dict())


def test_files_of_version_0_1_spell_options_that_are_gone(tmp_path):
    """At their defaults they say nothing; another value is among the bad settings below."""
    (tmp_path / "saved.yaml").write_text(
        "MODEL:\n  SEPC:\n    INIT_STD: 0.01\n    NUM_BRANCH_CONVS: 1\n    UPSAMPLING: corners\n"
    )
    cfg = read(ATSS)
    cfg.merge_from_file(str(tmp_path / "saved.yaml"))
    assert cfg == read(ATSS)
    build_model(cfg)


def test_keys_reach_the_neck():
    overrides = ["MODEL.SEPC.NUM_STAGES", 2, "MODEL.SEPC.NORM", "GN"]
    backbone = build_model(read(FASTER_RCNN, *overrides)).backbone
    assert isinstance(backbone, PyramidConvBackbone)
    assert [type(stage.norm.shared) for stage in backbone.pconv] == [nn.GroupNorm] * 2


@pytest.mark.parametrize(("variant", "expected"), [("pconv", []), ("pconv_ibn", [nn.BatchNorm2d])])
def test_norm_of_the_neck_is_that_of_the_variant(variant, expected):
    backbone = build_model(read(FASTER_RCNN, "MODEL.SEPC.VARIANT", variant)).backbone
    assert [type(m) for m in backbone.pconv[0].modules() if "Norm2d" in str(type(m))] == expected


@pytest.mark.parametrize("path", [GFL, FASTER_RCNN], ids=lambda path: path.stem)
def test_empty_norm_is_none(path):
    variant = ["MODEL.SEPC.VARIANT", "pconv_ibn", "MODEL.SEPC.NORM", ""]
    model = build_model(read(path, *variant))
    pyramid = model.head.trunk if path == GFL else model.backbone.pconv
    assert not [name for name in pyramid.state_dict() if "norm" in name]


def test_keys_of_the_methods_reach_the_detectors():
    keys = {
        "RETINANET.NUM_CLASSES": 3,
        "RETINANET.IN_FEATURES": ["p3", "p4", "p5", "p6"],
        "ANCHOR_GENERATOR.SIZES": [[8], [16], [32], [64]],
        "SEPC.GFL.TOPK": 5,
        "SEPC.GFL.NUM_BINS": 7,
        "SEPC.GFL.DISTRIBUTION_LOSS_WEIGHT": 0.5,
    }
    model = build_model(read(GFL, *(x for k, v in keys.items() for x in (f"MODEL.{k}", v))))
    assert (model.num_classes, model.topk, model.distribution_loss_weight) == (3, 5, 0.5)
    assert (model.head.bbox_pred.out_channels, len(model.head.scales)) == (4 * 8, 4)


def test_plain_towers_read_detectron2s_keys():
    keys = ["MODEL.SEPC.VARIANT", "plain", "MODEL.RETINANET.NUM_CONVS", 2]
    trunk = build_model(read(ATSS, *keys)).head.trunk
    assert isinstance(trunk, Towers)
    assert [type(norm) for norm in trunk.cls_tower.norms] == [nn.GroupNorm] * 2


def test_arguments_win_over_the_config():
    assert SEPCATSS(read(ATSS), topk=4).topk == 4


@pytest.mark.parametrize(
    ("path", "key", "value", "message"),
    [
        (RETINANET, "VARIANT", "spec", r"MODEL\.SEPC: unknown variant: .*'sepc'.* got 'spec'"),
        (GFL, "NORM", "XBN", r"MODEL\.SEPC: unknown norm: .* got 'XBN'"),
        (ATSS, "NUM_STAGES", -1, r"MODEL\.SEPC: expected num_stages of 0 or more, got -1"),
        (ATSS, "INIT_STD", None, r"MODEL\.SEPC: init_std .* expected 0.01, .* got None"),
        (ATSS, "OUT_CHANNELS", "many", r"MODEL\.SEPC: .*str"),
        (ATSS, "HEAD_PADDING", "none", r"MODEL\.SEPC: expected head_padding .* got 'none'"),
        (ATSS, "P6_IN_FEATURE", "p4", r"MODEL\.SEPC\.P6_IN_FEATURE: expected .* got 'p4'"),
        (FASTER_RCNN, "VARIANT", "sepc", r"expected VARIANT .*'pconv', 'pconv_ibn'.* got 'sepc'"),
        (FASTER_RCNN, "NUM_STAGES", 0, r"MODEL\.SEPC: expected num_stages of 1 or more, got 0"),
        (FASTER_RCNN, "MODULATED", True, r"MODEL\.SEPC\.MODULATED: expected the default, .*True"),
    ],
)
def test_bad_settings_name_the_node(path, key, value, message):
    with pytest.raises(ValueError, match=message):
        build_model(read(path, f"MODEL.SEPC.{key}", value))


def test_options_of_sepc_are_refused_without_it():
    keys = ["MODEL.SEPC.VARIANT", "plain", "MODEL.SEPC.NUM_STAGES", 2]
    for path in (RETINANET, ATSS):
        with pytest.raises(ValueError, match=r"MODEL\.SEPC\.NUM_STAGES: .* 'plain' .* got \[2\]"):
            build_model(read(path, *keys))


@pytest.mark.parametrize(
    ("path", "key", "value", "message"),
    [
        (ATSS, "RETINANET.PRIOR_PROB", 1.5, r"MODEL\.RETINANET.*: prior_prob .* got 1.5"),
        (GFL, "RETINANET.NUM_CLASSES", 0, r"MODEL\.RETINANET.*: num_classes .* num_classes=0"),
        (
            GFL,
            "ANCHOR_GENERATOR.ASPECT_RATIOS",
            [[0.5, 1.0]],
            r"MODEL\.ANCHOR_GENERATOR: expected one .* got \[2, 2, 2, 2, 2\]",
        ),
    ],
)
def test_bad_settings_of_detectron2s_nodes_name_them(path, key, value, message):
    with pytest.raises(ValueError, match=message):
        build_model(read(path, f"MODEL.{key}", value))


def test_unknown_keys_and_types_are_refused():
    with pytest.raises(AssertionError, match=r"Non-existent key: MODEL\.SEPC\.STAGES"):
        read(RETINANET, "MODEL.SEPC.STAGES", 2)
    with pytest.raises(ValueError, match="mismatch"):
        read(RETINANET, "MODEL.SEPC.NUM_STAGES", "many")


def test_config_survives_a_file(tmp_path):
    cfg = read(ATSS, "MODEL.SEPC.NORM", "", "MODEL.SEPC.NUM_STAGES", 2)
    (tmp_path / "config.yaml").write_text(cfg.dump())
    again = read(tmp_path / "config.yaml", small=[])
    assert again.MODEL.SEPC == cfg.MODEL.SEPC
    assert again.MODEL.RETINANET == cfg.MODEL.RETINANET
