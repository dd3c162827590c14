"""GFL on inputs that break detectors, and what is its own."""

import torch

from .detector import DetectorEndToEnd
from .helpers import tiny_config


class TestPlain(DetectorEndToEnd):
    detector, variant = "gfl", "plain"


class TestSepc(DetectorEndToEnd):
    detector, variant = "gfl", "sepc"


def test_boxes_are_integrals_in_strides(tmp_path):
    from detectron2.config import instantiate

    model = instantiate(tiny_config(tmp_path, "pconv", "gfl").model)
    anchors = torch.tensor([[-16.0, -16, 48, 48]])  # centered on (16, 16)
    bins = torch.full((1, 4, 17), -50.0)
    for side, distance in enumerate([1, 2, 3, 16]):
        bins[0, side, distance] = 50.0
    boxes = model.boxes(anchors, [torch.zeros(1, 6), bins.flatten(1)], 8)
    torch.testing.assert_close(boxes, torch.tensor([[8.0, 0, 40, 144]]))
