"""DN-FPN in a detector: its losses in training, and nothing of it in inference."""

import copy
import logging

import pytest
import torch
from detectron2.config import instantiate
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage

from sepc import optimize_for_inference
from sepc.d2.backbones.denoising_fpn import DenoisingFPN
from sepc.d2.engine import Checkpointer

from .detector import BOXES
from .helpers import CONFIGS, config_of, image_input
from .yaml_configs import path_of, read

LOSSES = {"loss_geometric", "loss_semantic"}


@pytest.fixture
def config():
    return config_of(CONFIGS / "quickstart" / "atss_denoising.py")


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return instantiate(config.model)


@pytest.fixture
def plain():
    torch.manual_seed(1)
    return instantiate(config_of(CONFIGS / "quickstart" / "atss_plain.py").model)


def train(model, sides=(64, 64)):
    with EventStorage():
        return model([image_input(side, side, BOXES, [0, 5]) for side in sides])


def test_losses_join_those_of_the_detector(model):
    losses = train(model)
    assert set(losses) > LOSSES
    # all similarities of new encoders are alike: some log(1 + number of negatives)
    assert all(0 < losses[name] < 0.1 * 3 for name in LOSSES)
    sum(losses[name] for name in LOSSES).backward()
    for part in (model.backbone.denoising, model.backbone.fpn_lateral3, model.backbone.bottom_up):
        assert all(p.grad is not None and p.grad.any() for p in list(part.parameters())[:1])
    assert train(model).keys() == losses.keys()


def test_weight_and_temperature(config):
    config.model.backbone.denoising_weight = 0.2
    torch.manual_seed(0)
    double = instantiate(config.model)
    config.model.backbone.denoising_weight = 0.1
    torch.manual_seed(0)
    single = instantiate(config.model)
    losses = []
    for model in (single, double):
        torch.manual_seed(2)
        losses.append(train(model))
    for name in LOSSES:
        torch.testing.assert_close(losses[1][name], 2 * losses[0][name])
    config.model.backbone.temperature = 0
    with pytest.raises(Exception, match=r"temperature above 0, got 0\.1 and 0"):
        instantiate(config.model)


def test_loss_of_one_image_is_zero(model):
    losses = train(model, sides=(64,))
    assert all(losses[name] == 0 for name in LOSSES)
    sum(losses.values()).backward()


def test_inference_is_that_of_the_plain_detector(model, plain):
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("backbone.denoising.")}
    )
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        maps = model.eval().backbone(image)
        expected = plain.eval().backbone(image)
    torch.testing.assert_close(maps, expected, rtol=0, atol=0)
    optimized = optimize_for_inference(model)
    assert not [name for name in optimized.state_dict() if "denoising" in name]
    with torch.no_grad():
        assert list(optimized.backbone(image)) == list(expected)


def test_checkpoint_of_the_plain_detector_is_one_of_this(model, plain, tmp_path, caplog):
    before = copy.deepcopy(model.backbone.denoising.state_dict())
    Checkpointer(plain, str(tmp_path)).save("plain")
    with caplog.at_level(logging.WARNING, "sepc"):
        Checkpointer(model).load(str(tmp_path / "plain.pth"), strict=True)
    assert "The weights have no backbone.denoising: it starts anew" in caplog.text
    torch.testing.assert_close(
        model.backbone.fpn_lateral3.weight, plain.backbone.fpn_lateral3.weight
    )
    torch.testing.assert_close(model.backbone.denoising.state_dict(), before)

    Checkpointer(model, str(tmp_path)).save("whole")
    caplog.clear()
    Checkpointer(model).load(str(tmp_path / "whole.pth"), strict=True)
    assert "starts anew" not in caplog.text


def test_detector_that_leaves_the_losses(model):
    assert isinstance(model.backbone, DenoisingFPN)
    model.backbone(torch.rand(1, 3, 64, 64))
    with pytest.raises(RuntimeError, match="expected the detector to take the losses"):
        model.backbone(torch.rand(1, 3, 64, 64))


def test_keys_of_yaml_configs():
    keys = ["MODEL.SEPC.DENOISING.WEIGHT", 0.2, "MODEL.SEPC.DENOISING.TEMPERATURE", 0.3]
    fpn = build_model(read(path_of("atss"), *keys)).backbone
    assert isinstance(fpn, DenoisingFPN)
    assert (fpn.denoising_weight, fpn.temperature) == (0.2, 0.3)
    assert list(fpn.output_shape()) == ["p3", "p4", "p5", "p6", "p7"]
    with pytest.raises(ValueError, match=r"MODEL\.SEPC\.DENOISING: .* above 0, got -1\.0 and 0\.5"):
        build_model(read(path_of("atss"), "MODEL.SEPC.DENOISING.WEIGHT", -1.0))
