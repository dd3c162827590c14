"""The tests that every detector has to pass, after Detectron2's InstanceModelE2ETest."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from .helpers import image_input, tiny_config

BOXES = [[5, 5, 30, 30], [20, 10, 60, 40]]

# x1, y1, x2, y2 in an image of 64 pixels
HOSTILE = {
    "point": [[10, 10, 10, 10]],
    "line": [[10, 10, 10, 40], [0, 20, 64, 20]],
    "outside": [[100, 100, 140, 150], [-50, -60, -10, -20]],
    "partly outside": [[-30, -20, 20, 30], [50, 50, 200, 90]],
    "at the corner": [[63, 63, 64, 64]],
    "tiny": [[20.2, 20.2, 20.6, 20.5]],
    "whole image": [[0, 0, 64, 64]],
    "far larger than the image": [[-1000, -1000, 2000, 2000]],
    "twice the same": [[5, 5, 30, 30], [5, 5, 30, 30]],
    "line beside a good one": [[10, 10, 10, 40], [5, 5, 30, 30]],
}


class DetectorEndToEnd:
    """End-to-end tests of one detector; subclasses name it and its variant in the quick start."""

    detector: str
    variant: str
    channels = 64  # of the pyramid; towers with group norm need more than 32

    @pytest.fixture
    def model(self, tmp_path):
        torch.manual_seed(7)
        width = {"model.backbone.out_channels": self.channels}
        return instantiate(tiny_config(tmp_path, self.variant, self.detector, **width).model)

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

    def test_boxes_that_are_hard_to_learn(self, model):
        inputs = {
            name: image_input(64, 64, boxes, [0] * len(boxes)) for name, boxes in HOSTILE.items()
        }
        for name, alone in inputs.items():
            with EventStorage(), torch.no_grad():
                assert all(loss.isfinite() for loss in model([alone]).values()), name
        self.train(model, list(inputs.values()))

    def test_a_thousand_objects(self, model):
        corners = torch.rand(1000, 2) * 50
        boxes = torch.cat([corners, corners + 1 + torch.rand(1000, 2) * 13], dim=1)
        self.train(model, [image_input(64, 64, boxes.tolist(), [i % 6 for i in range(1000)])])

    def test_gradient_reaches_the_head(self, model):
        self.train(model, [image_input(64, 64, BOXES, [0, 5])])
        for name, parameter in model.head.named_parameters():
            # biases in front of a norm move nothing; offsets wait for their kernels
            if "trunk" not in name and "subnet" not in name and "scales" not in name:
                assert parameter.grad.any(), name
        scales = [p for name, p in model.named_parameters() if "scales" in name]
        assert not scales or any(p.grad.any() for p in scales)

    def test_class_out_of_range_names_the_image(self, model):
        good = image_input(64, 64, BOXES, [0, 5])
        with pytest.raises(ValueError, match=r"image 1: expected classes in \[0, 12\), got \[12\]"):
            model([good, image_input(64, 64, BOXES, [0, 12])])
        bad = {**image_input(64, 64, BOXES, [-1, 0]), "file_name": "some/where.jpg"}
        with pytest.raises(ValueError, match=r"some/where.jpg: expected classes .* got \[-1\]"):
            model([good, bad])

    def test_training_without_instances(self, model):
        with pytest.raises(ValueError, match="image 0: expected instances to train on, got none"):
            model([image_input(64, 64)])

    def test_nothing_found(self, model):
        model.test_score_thresh = 1.0
        outputs = self.predict(model, [image_input(64, 64)])[0]
        assert len(outputs) == 0
        assert outputs.pred_boxes.tensor.shape == (0, 4)
        assert outputs.scores.shape == outputs.pred_classes.shape == (0,)

    def test_detections_are_sorted_and_no_more_than_asked_for(self, model):
        model.test_score_thresh = 0.0
        model.max_detections_per_image = 7
        for name, parameter in model.named_parameters():
            if name.endswith("bbox_pred.bias"):  # boxes with an area, whatever the weights
                torch.nn.init.constant_(parameter, 1.0)
        outputs = self.predict(model, [image_input(64, 64)])[0]
        assert 0 < len(outputs) <= 7
        torch.testing.assert_close(outputs.scores, outputs.scores.sort(descending=True).values)
        assert ((outputs.scores >= 0) & (outputs.scores <= 1)).all()

    def test_no_state_outside_the_checkpoint(self, model):
        def numbers():
            return {
                (name, key): value
                for name, module in model.named_modules()
                for key, value in vars(module).items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            }

        before = numbers()
        self.train(model, [image_input(64, 64, BOXES, [0, 5])])
        changed = {key for key, value in numbers().items() if before.get(key) != value}
        # Detectron2's moving average, which the trainer saves
        assert changed <= {("", "loss_normalizer")}
