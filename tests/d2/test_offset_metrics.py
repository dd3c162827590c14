"""Mean offsets among the metrics of a training."""

import pytest
import torch
from detectron2.engine import HookBase
from detectron2.utils.events import get_event_storage
from torch import nn

from sepc import build_sepc
from sepc.d2.engine import Trainer, offset_metrics

from ..helpers import make_pyramid, randomize

SIZES = [(6, 7), (3, 4)]


class Detector(nn.Module):
    """A trunk whose loss moves the offsets."""

    def __init__(self, variant):
        super().__init__()
        self.trunk = randomize(build_sepc(variant, in_channels=4, num_stages=1), scale=0.1)

    def forward(self, pyramid):
        return {"loss": sum(x.sum() for maps in self.trunk(pyramid) for x in maps)}


class Reader(HookBase):
    def __init__(self):
        self.found = {}

    def after_step(self):
        latest = get_event_storage().latest()
        self.found[self.trainer.iter] = {
            name: value
            for name, (value, iteration) in latest.items()
            if name.startswith("offset/") and iteration == self.trainer.iter
        }


def train(variant, period):
    model, reader = Detector(variant), Reader()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, [make_pyramid(SIZES, 4)] * 9, optimizer, accumulate=2)
    trainer.register_hooks([offset_metrics(model, period), reader])
    trainer.train(0, 4)
    return model, reader.found


def test_offsets_are_metrics_of_the_iterations_that_are_written():
    model, found = train("sepc", period=2)
    assert found[0] == found[2] == {}
    layers = ("stage_1", "classification", "localization")
    assert set(found[1]) == set(found[3]) == {f"offset/{layer}/level_1" for layer in layers}
    assert all(value > 0 for value in found[1].values())
    assert found[1] != found[3]  # they learn
    hooked = [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooked == []


@pytest.mark.parametrize("model", [nn.Linear(2, 2), Detector("pconv_ibn")], ids=["plain", "ibn"])
def test_what_does_not_deform_adds_nothing(model):
    assert offset_metrics(model, 20) is None
