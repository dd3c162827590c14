import torch
from detectron2.config import LazyCall, instantiate
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
