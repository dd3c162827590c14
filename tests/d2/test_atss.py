"""ATSS on inputs that break detectors, and what is its own."""

import pytest
import torch
from detectron2.config import instantiate

from .detector import BOXES, DetectorEndToEnd
from .helpers import image_input, tiny_config


class TestPlain(DetectorEndToEnd):
    detector, variant = "atss", "plain"


class TestSepc(DetectorEndToEnd):
    detector, variant = "atss", "sepc"


@pytest.fixture
def model(tmp_path):
    return instantiate(tiny_config(tmp_path, "pconv", "atss").model)


def test_threshold_is_of_the_class_score_alone(model):
    logits = torch.tensor([[0.1, 0.04], [0.9, 0.06]]).logit()
    centerness = torch.tensor([[0.01], [0.5]]).logit()
    scores = model.scores([logits, torch.zeros(2, 4), centerness])
    torch.testing.assert_close(scores, torch.tensor([[0.001, 0.0], [0.45, 0.03]]))


def test_anchors_on_the_padding_of_a_batch_are_ignored(model, monkeypatch):
    labeled = []
    losses = model.losses
    monkeypatch.setattr(model, "losses", lambda p, t: labeled.append(t) or losses(p, t))
    model([image_input(128, 128, BOXES, [0, 1]), image_input(60, 33, BOXES[:1], [0])])
    labels = labeled[0].labels
    assert not (labels[0] == -1).any()
    finest = (labels[1, : 32 * 32] == -1).view(32, 32)
    assert finest[16:].all() and finest[:, 16:].all()  # from 64 pixels on, its own padding
    assert not finest[:16, :16].any()


def test_more_than_one_anchor_per_position_is_refused(tmp_path):
    cfg = tiny_config(tmp_path, "pconv", "atss")
    cfg.model.anchor_generator.aspect_ratios = [0.5, 1.0]
    with pytest.raises(ValueError, match="expected one anchor per position, got"):
        instantiate(cfg.model)


def test_levels_must_fit_the_scales(tmp_path):
    cfg = tiny_config(tmp_path, "pconv", "atss")
    cfg.model.head.num_scales = 3
    with pytest.raises(ValueError, match=r"expected 3 pyramid level\(s\), got 4"):
        instantiate(cfg.model)([image_input(64, 64, BOXES, [0, 1])])
