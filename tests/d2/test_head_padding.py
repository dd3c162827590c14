"""Heads whose trunk does not pad: anchors and points are laid on the maps of the predictions."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.utils.events import EventStorage

from sepc.d2.detectors import labels

from .helpers import image_input, tiny_config

DETECTORS = ["retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "fsaf_retinanet"]
SIDE = 96
CELLS = [22, 10, 4, 1]


@pytest.mark.parametrize("detector", DETECTORS)
def test_detectors_train_and_detect_on_the_smaller_maps(tmp_path, detector, monkeypatch):
    torch.manual_seed(2)
    variant = "sepc" if detector == "fsaf_retinanet" else "pconv"
    overrides = {"+model.head.trunk.head_padding": "valid"}
    model = instantiate(tiny_config(tmp_path, variant, detector, **overrides).model)
    if detector == "fcos":  # untrained, it predicts boxes of no size
        torch.nn.init.constant_(model.head.bbox_pred.bias, 0.5)
    maps, anchors = [], []
    model.head.register_forward_hook(lambda module, args, output: maps.extend(output))
    for module in model.modules():
        if isinstance(module, DefaultAnchorGenerator):
            module.register_forward_hook(lambda module, args, output: anchors.append(output))
    laid, grid_anchors = [], labels.grid_anchors  # level by level
    monkeypatch.setattr(
        labels, "grid_anchors", lambda *x: laid.append(grid_anchors(*x)) or laid[-1]
    )

    with EventStorage():
        losses = model([image_input(SIDE, SIDE, [[20, 30, 80, 90]], [1])])
    sum(losses.values()).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in model.parameters())
    model.eval().test_score_thresh = 0.0
    with torch.no_grad():
        boxes = model([image_input(SIDE, SIDE)])[0]["instances"].pred_boxes.tensor
    assert len(boxes) and boxes.isfinite().all()

    assert all([x.shape[-1] for x in levels] == CELLS for levels in maps)
    assert laid
    anchors += [laid[i : i + len(CELLS)] for i in range(0, len(laid), len(CELLS))]
    assert len(anchors) >= 2  # in training and in detection
    for levels in anchors:
        per_cell = len(levels[-1])
        assert [len(x) for x in levels] == [per_cell * cells**2 for cells in CELLS]


def test_image_that_is_too_small(tmp_path):
    overrides = {"+model.head.trunk.head_padding": "valid"}
    model = instantiate(tiny_config(tmp_path, "pconv", **overrides).model).eval()
    with pytest.raises(ValueError, match=r"expected at least 3 x 3 cells, got 2 x 2"):
        model([image_input(64, 64)])
