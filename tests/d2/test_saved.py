"""Files that a training of an earlier version left behind: configs load, weights find the same."""

import json

import pytest
import torch
from detectron2.config import instantiate

from sepc.d2.engine import Checkpointer, load_config
from sepc.export import compare_detections

from ..saved.make import CUTOFF, image
from .helpers import ROOT
from .released import on_meta

SAVED = ROOT / "tests" / "saved"
CONFIGS = sorted(SAVED.glob("*.yaml"))


def test_kinds_of_models_that_are_kept():
    text = "".join(path.read_text() for path in CONFIGS)
    for name in ("retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "head", "legacy"):
        assert f"_target_: sepc.d2.{name}." in text, name
    for name in (
        "sepc.d2.top_block.LastLevelP6P7",
        "sepc.d2.backbone.PyramidConvBackbone",
        "sepc.d2.deep_stem.DeepStem",
        "sepc.d2.res2net.Res2NetBlock",
        "sepc.d2.deform_block.DeformBottleneckBlock",
        "sepc.d2.head.TwoBranchHead",
        "sepc.layers.Towers",
    ):
        assert name in text, name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_loads_and_its_model_is_built(path):
    cfg = load_config(str(path))
    assert sum(1 for _ in on_meta(cfg).parameters()) > 50


def test_checkpoint_loads_strictly_and_finds_the_same():
    model = instantiate(load_config(str(SAVED / "narrow.yaml")).model).eval()
    Checkpointer(model).load(str(SAVED / "narrow.pth"), strict=True)
    expected = json.loads((SAVED / "narrow.json").read_text())
    with torch.no_grad():
        found = model([{"image": image()}])[0]["instances"]
    found = found[found.scores > CUTOFF]
    agreement = compare_detections(
        [torch.tensor(expected[key]) for key in ("boxes", "scores", "classes")],
        [found.pred_boxes.tensor, found.scores, found.pred_classes],
    )
    assert agreement.detections == 27
