"""FreeAnchor on inputs that break detectors, and what is its own."""

import torch

from sepc.methods.free_anchor import free_anchor_losses

from .detector import BOXES, DetectorEndToEnd
from .helpers import image_input, tiny_config


class TestPlain(DetectorEndToEnd):
    detector, variant = "free_anchor", "plain"


class TestSepc(DetectorEndToEnd):
    detector, variant = "free_anchor", "sepc"


def test_losses_are_divided_by_the_ground_truths_of_the_process(tmp_path, monkeypatch):
    from detectron2.config import instantiate

    from sepc.d2.detectors import free_anchor

    model = instantiate(tiny_config(tmp_path, "pconv", "free_anchor").model)
    seen = []

    def spy(*args, **kwargs):
        seen.append(free_anchor_losses(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(free_anchor, "free_anchor_losses", spy)
    losses = model([image_input(64, 64, BOXES, [0, 1]), image_input(64, 64, BOXES[:1], [4])])
    assert seen[0].num_gts == 3
    torch.testing.assert_close(losses["loss_positive"], seen[0].positive / 3)
    torch.testing.assert_close(losses["loss_negative"], seen[0].negative / (3 * 50))
