"""The plain head of a detector and the SEPC head stand in for each other."""

import pytest
import torch
from detectron2.config import instantiate

from .helpers import tiny_config

DETECTORS = ["retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "fsaf_retinanet"]


@pytest.mark.parametrize("detector", DETECTORS)
def test_heads_have_the_same_outputs(tmp_path, detector):
    width = {"model.backbone.out_channels": 64}
    plain, sepc = (
        instantiate(tiny_config(tmp_path, variant, detector, **width).model)
        for variant in ("plain", "sepc")
    )
    features = [torch.randn(2, 64, *size) for size in [(16, 24), (8, 12), (4, 6), (2, 3)]]
    shapes = [
        [[tuple(x.shape) for x in output] for output in model.head.eval()(features)]
        for model in (plain, sepc)
    ]
    assert shapes[0] == shapes[1]
    plain.head = sepc.head
    assert plain.state_dict().keys() == sepc.state_dict().keys()
