import pytest
import torch
from detectron2.config import LazyCall, instantiate
from detectron2.modeling import meta_arch
from detectron2.modeling.matcher import Matcher
from detectron2.utils.events import EventStorage

from .detector import BOXES
from .helpers import image_input, tiny_config


def test_every_anchor_ignored(tmp_path):
    cfg = tiny_config(tmp_path, "pconv")
    cfg.model.anchor_matcher = LazyCall(Matcher)(
        thresholds=[0.5], labels=[-1, -1], allow_low_quality_matches=False
    )
    model = instantiate(cfg.model)
    with EventStorage():
        losses = model([image_input(64, 64, BOXES, [0, 1])])
    assert losses["loss_cls"].item() == losses["loss_box_reg"].item() == 0


def test_box_that_no_anchor_overlaps_is_no_target(tmp_path):
    model = instantiate(tiny_config(tmp_path, "pconv").model)
    targets = []
    label_anchors = model.label_anchors
    model.label_anchors = lambda a, gt: targets.extend(gt) or label_anchors(a, gt)
    boxes = [[10, 10, 10, 40], [100, 100, 140, 150], [5, 5, 30, 30]]
    inputs = image_input(64, 64, boxes, [0, 1, 2])
    with EventStorage():
        model([inputs])
    torch.testing.assert_close(targets[0].gt_boxes.tensor, torch.tensor([[5.0, 5, 30, 30]]))
    assert len(inputs["instances"]) == 3  # what came in is left as it is


@pytest.mark.parametrize("detector", ["retinanet", "fcos"])
def test_losses_are_those_of_detectron2(tmp_path, detector):
    """In value and gradient, with images that have no object and anchors that are ignored."""
    model = instantiate(tiny_config(tmp_path, "pconv", detector).model)
    original = {"retinanet": meta_arch.RetinaNet, "fcos": meta_arch.FCOS}[detector].losses
    inputs = [image_input(64, 96, BOXES, [0, 1]), image_input(64, 64, [], [])]
    found = []
    for losses in (type(model).losses, original):
        model.losses = losses.__get__(model)
        model.loss_normalizer = 7.0
        model.zero_grad()
        with EventStorage() as storage:
            values = model(inputs)
            sum(values.values()).backward()
            count = storage.latest()["num_pos_anchors"][0]
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        values = {name: loss.detach() for name, loss in values.items()}
        found.append((values, gradients, count, model.loss_normalizer))
    torch.testing.assert_close(*found)
    assert found[0][2] > 0
