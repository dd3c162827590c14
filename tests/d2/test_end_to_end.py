"""Detectors on inputs that break detectors, after Detectron2's InstanceModelE2ETest."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from .helpers import image_input, tiny_config

BOXES = [[5, 5, 30, 30], [20, 10, 60, 40]]


class DetectorEndToEnd:
    """Subclasses name the quick-start config in ``variant``."""

    variant: str

    @pytest.fixture
    def model(self, tmp_path):
        torch.manual_seed(7)
        return instantiate(tiny_config(tmp_path, self.variant).model)

    def train(self, model, inputs):
        model.train()
        with EventStorage():
            losses = model(inputs)
        assert all(loss.isfinite() for loss in losses.values())
        sum(losses.values()).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name

    def predict(self, model, inputs):
        model.eval()
        with torch.no_grad():
            return [output["instances"] for output in model(inputs)]

    def test_images_of_other_sizes(self, model):
        inputs = [image_input(64, 72, BOXES, [0, 5]), image_input(70, 33, BOXES[:1], [1])]
        self.train(model, inputs)
        outputs = self.predict(model, inputs)
        assert [x.image_size for x in outputs] == [(64, 72), (70, 33)]

    def test_images_without_objects(self, model):
        inputs = [image_input(64, 64, [], []), image_input(50, 61, [], [])]
        self.train(model, inputs)
        self.predict(model, inputs)

    def test_batch_with_and_without_objects(self, model):
        self.train(model, [image_input(64, 64, [], []), image_input(64, 64, BOXES, [2, 3])])

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_image_that_is_not_finite(self, model, value):
        inputs = image_input(64, 64)
        inputs["image"] = torch.full((3, 64, 64), value)
        outputs = self.predict(model, [inputs])[0]
        assert outputs.pred_boxes.tensor.isfinite().all()
        assert outputs.scores.isfinite().all()

    def test_autocast(self, model):
        seen = []
        model.head.cls_score.register_forward_hook(lambda m, i, o: seen.append(o.dtype))
        # 128 pixels: on a CPU, oneDNN's bfloat16 gradient of a kernel with stride 2 over a map one
        # cell wide holds what was in memory before (torch 2.14.1), in Detectron2's P7 as well.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            self.train(model, [image_input(128, 128, BOXES, [0, 1])])
            outputs = self.predict(model, [image_input(64, 64)])[0]
        assert set(seen) == {torch.bfloat16}
        assert outputs.pred_boxes.tensor.dtype == torch.float32


class TestPlain(DetectorEndToEnd):
    variant = "plain"


class TestPconv(DetectorEndToEnd):
    variant = "pconv"


class TestPconvIbn(DetectorEndToEnd):
    variant = "pconv_ibn"


class TestSepcLite(DetectorEndToEnd):
    variant = "sepc_lite"


class TestSepc(DetectorEndToEnd):
    variant = "sepc"
