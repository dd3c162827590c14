"""Starting from a detector that was trained on another number of classes."""

import logging

import pytest
import torch
from detectron2 import model_zoo
from detectron2.config import instantiate

from sepc.d2.engine import Checkpointer
from sepc.d2.engine.classes import find_other_classes

from .helpers import tiny_config
from .test_train_net import run, weights


def make(folder, detector="retinanet", variant="pconv", classes=6, **others):
    overrides = {"model.num_classes": classes, "model.backbone.out_channels": 64, **others}
    return instantiate(tiny_config(folder, variant, detector, **overrides).model)


@pytest.mark.parametrize(
    ("detector", "variant", "predictors"),
    [
        ("retinanet", "pconv", ["cls_score"]),
        ("retinanet", "plain", ["cls_score"]),
        ("fcos", "plain", ["cls_score"]),
        ("atss", "pconv", ["cls_score"]),
        ("gfl", "pconv", ["cls_score"]),
        ("fsaf", "pconv", ["cls_score"]),
        ("fsaf_retinanet", "sepc", ["cls_score", "free_cls_score"]),
    ],
)
def test_class_predictors_start_anew_and_the_rest_is_kept(
    tmp_path, caplog, detector, variant, predictors
):
    torch.manual_seed(0)
    model = make(tmp_path, detector, variant, 6)
    other = make(tmp_path, detector, variant, 2)
    fresh = {key: value.clone() for key, value in other.state_dict().items()}
    Checkpointer(model, str(tmp_path)).save("model")
    path = str(tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"other shapes than the model: head\.cls_score"):
        Checkpointer(other).load(path)
    with caplog.at_level(logging.WARNING):
        Checkpointer(other).load(path, allow_other_classes=True)
    own = {f"head.{name}.{x}" for name in predictors for x in ("weight", "bias")}
    for key, value in other.state_dict().items():
        expected = fresh[key] if key in own else model.state_dict()[key]
        assert torch.equal(value, expected), key
    (message,) = (x.message for x in caplog.records if x.levelno == logging.WARNING)
    assert "model.pth was trained on 6 classes, the model has 2" in message
    assert all(key in message for key in own)


@pytest.mark.parametrize(
    "others",
    [
        {"model.backbone.out_channels": 32},
        {"model.head.num_anchors": 3, "model.anchor_generator.aspect_ratios": [1.0]},
    ],
    ids=["channels", "anchors"],
)
def test_what_else_differs_stays_an_error(tmp_path, others):
    Checkpointer(make(tmp_path), str(tmp_path)).save("model")
    other = make(tmp_path, classes=2, **others)
    with pytest.raises(ValueError, match="has other shapes than the model"):
        Checkpointer(other).load(str(tmp_path / "model.pth"), allow_other_classes=True)


@pytest.mark.parametrize("name", ["mask_rcnn_fpn", "cascade_rcnn"])
def test_two_stage_predictors(name):
    """Those of boxes have an output more for the background; Cascade's deltas are for any class."""
    models = []
    for classes in (80, 3):
        cfg = model_zoo.get_config(f"common/models/{name}.py").model
        cfg.roi_heads.num_classes = classes
        with torch.device("meta"):
            models.append(instantiate(cfg))
    theirs, ours = (x.state_dict() for x in models)
    differing = [
        (key, tuple(theirs[key].shape), tuple(ours[key].shape))
        for key in ours
        if theirs[key].shape != ours[key].shape
    ]
    found = find_other_classes(models[1], differing)
    assert (found.before, found.now) == (80, 3)
    assert found.keys == [key for key, _, _ in differing]
    assert any("cls_score" in key for key in found.keys)
    wrong = [*differing, ("roi_heads.box_head.fc1.weight", (3, 4), (3, 5))]
    assert find_other_classes(models[1], wrong) is None
    unequal = [
        (key, (7, *got[1:]) if i == 0 else got, expected)
        for i, (key, got, expected) in enumerate(differing)
    ]
    assert find_other_classes(models[1], unequal) is None


def test_training_starts_from_other_classes(tiny_data, tmp_path, capsys):
    Checkpointer(make(tmp_path, classes=3), str(tmp_path)).save("other")
    start = {
        "train.init_checkpoint": str(tmp_path / "other.pth"),
        "model.backbone.out_channels": 64,
        "train.max_iter": 1,
    }
    run(tmp_path / "trained", variant="pconv", **start)
    trained = weights(tmp_path / "trained" / "model_final.pth")
    assert trained["head.cls_score.bias"].shape == (9 * 6,)
    log = (tmp_path / "trained" / "log.txt").read_text()
    assert "was trained on 3 classes, the model has 6" in log
    with pytest.raises(SystemExit):
        run(tmp_path / "evaluated", "--eval-only", variant="pconv", **start)
    assert "has other shapes than the model" in capsys.readouterr().err
