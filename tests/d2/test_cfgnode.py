"""SEPC through YAML: Detectron2's build_model, DefaultTrainer, DefaultPredictor and tools."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg, instantiate
from detectron2.engine import DefaultPredictor, DefaultTrainer
from detectron2.modeling import build_model

import sepc
from sepc.d2.backbone import PyramidConvBackbone
from sepc.d2.cfgnode import add_sepc_config
from sepc.d2.engine import load_config

from .helpers import CONFIGS, ROOT

YAML = sorted((CONFIGS / "yaml").glob("*.yaml"))
RETINANET = CONFIGS / "yaml" / "retinanet_R_50_FPN_sepc_1x.yaml"
FASTER_RCNN = CONFIGS / "yaml" / "faster_rcnn_R_50_FPN_pconv_1x.yaml"
MASK_RCNN = CONFIGS / "yaml" / "mask_rcnn_R_50_FPN_pconv_1x.yaml"
SMALL = ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.FPN.OUT_CHANNELS", 16]


def read(path, *overrides, small=SMALL):
    cfg = get_cfg()
    add_sepc_config(cfg)
    cfg.merge_from_file(str(path))
    cfg.merge_from_list([*small, *overrides])
    return cfg


def lazy_of(path):
    return load_config(str(next(CONFIGS.glob(f"COCO-*/{path.stem}.py"))))


def shapes_of(model):
    """By name; a frozen norm does not count its batches."""
    return {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.stem)
def test_model_has_the_names_of_the_lazy_one(path):
    cfg = lazy_of(path)
    cfg.model.backbone.out_channels = 16
    cfg.model.backbone.get("fpn", cfg.model.backbone).out_channels = 16
    assert shapes_of(build_model(read(path))) == shapes_of(instantiate(cfg.model))


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.stem)
def test_recipe_is_that_of_the_lazy_config(path):
    cfg, lazy = read(path, small=[]), lazy_of(path)
    solver, multiplier, loader = cfg.SOLVER, lazy.lr_multiplier, lazy.dataloader.train
    assert lazy.train.init_checkpoint == cfg.MODEL.WEIGHTS
    assert lazy.train.max_iter == solver.MAX_ITER
    assert list(multiplier.scheduler.milestones)[:2] == list(solver.STEPS)
    assert round(multiplier.warmup_length * lazy.train.max_iter) == solver.WARMUP_ITERS
    assert multiplier.warmup_factor == pytest.approx(solver.WARMUP_FACTOR)
    assert lazy.optimizer.lr == solver.BASE_LR
    assert lazy.optimizer.weight_decay == solver.WEIGHT_DECAY
    decay_norm = lazy.optimizer.params.weight_decay_norm  # None: like the rest
    decay_norm = lazy.optimizer.weight_decay if decay_norm is None else decay_norm
    assert decay_norm == solver.WEIGHT_DECAY_NORM
    clip = lazy.train.grad_clip
    assert (clip and clip.max_norm) == (
        solver.CLIP_GRADIENTS.CLIP_VALUE if solver.CLIP_GRADIENTS.ENABLED else None
    )
    assert loader.total_batch_size == solver.IMS_PER_BATCH
    assert loader.mapper.image_format == lazy.model.input_format == cfg.INPUT.FORMAT
    sizes = loader.mapper.augmentations[0].short_edge_length
    assert ([sizes] if isinstance(sizes, int) else list(sizes)) == list(cfg.INPUT.MIN_SIZE_TRAIN)
    assert list(lazy.model.pixel_mean) == pytest.approx(list(cfg.MODEL.PIXEL_MEAN))
    assert list(lazy.model.pixel_std) == pytest.approx(list(cfg.MODEL.PIXEL_STD))


def test_anchors_of_retinanet_are_those_of_the_lazy_config():
    torch.testing.assert_close(
        list(build_model(read(RETINANET)).anchor_generator.cell_anchors),
        list(instantiate(lazy_of(RETINANET).model.anchor_generator).cell_anchors),
    )


@pytest.mark.parametrize("variant", ["pconv", "pconv_ibn", "sepc_lite", "sepc"])
def test_variant_of_retinanet_is_one_key(variant):
    model = build_model(read(RETINANET, "MODEL.SEPC.VARIANT", variant))
    expected = sepc.build_sepc(variant, 16)
    assert shapes_of(model.head.trunk) == shapes_of(expected)


def test_other_keys_reach_the_model():
    overrides = ["MODEL.SEPC.NUM_STAGES", 2, "MODEL.SEPC.NORM", "GN"]
    cfg = read(RETINANET, "MODEL.FPN.OUT_CHANNELS", 32, *overrides)
    trunk = build_model(cfg).head.trunk
    assert [type(stage.norm.shared) for stage in trunk.stages] == [torch.nn.GroupNorm] * 2
    cfg = read(FASTER_RCNN, "MODEL.FPN.OUT_CHANNELS", 32, *overrides)
    backbone = build_model(cfg).backbone
    assert isinstance(backbone, PyramidConvBackbone)
    assert [type(stage.norm.shared) for stage in backbone.pconv] == [torch.nn.GroupNorm] * 2


@pytest.mark.parametrize(
    ("path", "key", "value", "message"),
    [
        (RETINANET, "VARIANT", "spec", r"MODEL\.SEPC: unknown variant: .*'sepc'.* got 'spec'"),
        (RETINANET, "NORM", "XBN", r"MODEL\.SEPC: unknown norm: .* got 'XBN'"),
        (RETINANET, "NUM_STAGES", -1, r"MODEL\.SEPC: expected num_stages of 0 or more, got -1"),
        (FASTER_RCNN, "VARIANT", "sepc", r"expected VARIANT .*'pconv', 'pconv_ibn'.* got 'sepc'"),
        (FASTER_RCNN, "NUM_STAGES", 0, r"MODEL\.SEPC: expected num_stages of 1 or more, got 0"),
    ],
)
def test_bad_settings_name_the_node(path, key, value, message):
    with pytest.raises(ValueError, match=message):
        build_model(read(path, f"MODEL.SEPC.{key}", value))


def test_unknown_keys_and_types_are_refused():
    with pytest.raises(AssertionError, match=r"Non-existent key: MODEL\.SEPC\.STAGES"):
        read(RETINANET, "MODEL.SEPC.STAGES", 2)
    with pytest.raises(ValueError, match="mismatch"):
        read(RETINANET, "MODEL.SEPC.NUM_STAGES", "many")


@pytest.mark.parametrize("path", [RETINANET, MASK_RCNN], ids=lambda path: path.stem)
def test_default_trainer_and_predictor(path, tiny_data, tmp_path):
    torch.manual_seed(0)
    settings = {
        "MODEL.RESNETS.DEPTH": 18,
        "MODEL.RESNETS.RES2_OUT_CHANNELS": 64,
        "MODEL.ROI_BOX_HEAD.FC_DIM": 16,
        "DATASETS.TRAIN": ("tiny_train",),
        "DATASETS.TEST": ("tiny_val",),
        "DATALOADER.NUM_WORKERS": 0,
        "SOLVER.IMS_PER_BATCH": 2,
        "SOLVER.MAX_ITER": 2,
        "SOLVER.BASE_LR": 1e-4,
        "SOLVER.STEPS": (),
        "INPUT.MIN_SIZE_TRAIN": (64,),
        "INPUT.MIN_SIZE_TEST": 64,
        "OUTPUT_DIR": str(tmp_path),
    }
    cfg = read(path, *(x for item in settings.items() for x in item))
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()

    cfg.MODEL.WEIGHTS = str(tmp_path / "model_final.pth")
    predictor = DefaultPredictor(cfg)
    torch.testing.assert_close(predictor.model.state_dict(), trainer.model.state_dict())
    outputs = predictor(np.zeros((48, 80, 3), dtype=np.uint8))
    assert outputs["instances"].image_size == (48, 80)


@pytest.mark.parametrize("first", ["detectron2", "sepc.d2.cfgnode", "sepc.d2.head"])
def test_detectron2_finds_the_keys_by_its_environment_variable(first):
    code = (
        f"import {first}\n"
        "from detectron2.config import get_cfg\n"
        "from detectron2.modeling import META_ARCH_REGISTRY\n"
        "cfg = get_cfg()\n"
        f"cfg.merge_from_file({str(RETINANET)!r})\n"
        "META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)\n"
        "print(cfg.MODEL.SEPC.VARIANT)\n"
    )
    path = os.pathsep.join([str(Path(sepc.__file__).parents[1]), str(ROOT)])
    env = {**os.environ, "DETECTRON2_ENV_MODULE": "sepc.d2.cfgnode", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["sepc"]
