"""FSAF, alone and beside RetinaNet, on inputs that break detectors; and what is its own."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from .detector import BOXES, DetectorEndToEnd
from .helpers import image_input, tiny_config


class TestPlain(DetectorEndToEnd):
    detector, variant = "fsaf", "plain"


class TestSepc(DetectorEndToEnd):
    detector, variant = "fsaf", "sepc"


class TestBesideRetinaNet(DetectorEndToEnd):
    detector, variant = "fsaf_retinanet", "sepc"


def make(tmp_path, detector, **model_overrides):
    cfg = tiny_config(tmp_path, "sepc", detector)
    cfg.model.update(model_overrides)
    return instantiate(cfg.model)


def test_every_anchor_ignored(tmp_path):
    # the effective area covers no center within its box, the ignored one everything
    model = make(tmp_path, "fsaf", pos_scale=0.0, neg_scale=1e4)
    losses = model([image_input(64, 64, BOXES, [0, 1])])
    assert losses["loss_cls"].item() == losses["loss_box_reg"].item() == 0
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_distances_are_not_negative(tmp_path):
    model = make(tmp_path, "fsaf")
    maps = torch.zeros(1, model.num_classes, 2, 3), torch.full((1, 4, 2, 3), -3.0)
    logits, distances = ([x] * len(model.head_in_features) for x in maps)
    for level in model.predict_levels([logits, distances]):
        boxes = level.decode(level.anchors, level.outputs[0][0])
        assert boxes.shape == (6, 4)
        torch.testing.assert_close(boxes[:, :2], boxes[:, 2:])


def test_both_branches_learn_and_detect(tmp_path):
    torch.manual_seed(0)
    model = make(tmp_path, "fsaf_retinanet", anchor_free_weight=0.5, test_score_thresh=0.0)
    inputs = [image_input(64, 64, BOXES, [0, 1])]
    with EventStorage():
        losses = model(inputs)
        model.anchor_free_weight = 1.0
        others = model(inputs)
    assert set(losses) == {"loss_cls", "loss_box_reg", "loss_free_cls", "loss_free_box_reg"}
    for name in ("loss_free_cls", "loss_free_box_reg"):
        torch.testing.assert_close(others[name], losses[name] * 2)

    model.eval()
    model.max_detections_per_image = 10_000
    shown = {}
    for branch in ("cls_score", "free_cls_score"):
        with torch.no_grad():
            predictor = getattr(model.head, branch)
            bias = predictor.bias.clone()
            predictor.bias.fill_(-1000.0)  # silent
            shown[branch] = len(model(inputs)[0]["instances"])
            predictor.bias.copy_(bias)
    assert min(shown.values()) > 0


@pytest.mark.parametrize("detector", ["fsaf", "fsaf_retinanet"])
def test_branch_adds_nothing_to_the_checkpoint(tmp_path, detector):
    names = make(tmp_path, detector).state_dict()
    assert {name.split(".")[0] for name in names} == {"backbone", "head"}
