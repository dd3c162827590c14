"""Sampling-Free in RetinaNet, FCOS and ATSS: the loss, images without objects, exact resume."""

import copy

import pytest
import torch
import torch.nn.functional as F
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from .detector import BOXES
from .helpers import CONFIGS, config_of, image_input

NAMES = {
    "retinanet": ["loss_cls", "loss_box_reg"],
    "fcos": ["loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"],
    "atss": ["loss_cls", "loss_box_reg", "loss_centerness"],
}
PRIORS = {"retinanet": 1e-5, "fcos": 1e-4, "atss": 3e-3}


@pytest.fixture(params=list(NAMES))
def detector(request):
    return request.param


@pytest.fixture
def config(detector):
    cfg = config_of(CONFIGS / "quickstart" / f"{detector}_sampling_free.py")
    cfg.model.guided_losses.warmup_iters = 2
    return cfg


@pytest.fixture
def model(config):
    torch.manual_seed(0)
    return instantiate(config.model)


def train(model, *batch):
    with EventStorage():
        return model(list(batch))


def test_weighted_losses_and_their_prior(model, detector):
    losses = train(model, image_input(64, 64, BOXES, [0, 5]))
    assert list(losses) == [*NAMES[detector], "loss_log_scales"]
    # at s = 1 the classification loss is scaled to the mean of the others
    cls, *others = (losses[name].item() for name in NAMES[detector])
    assert cls == pytest.approx(sum(others) / len(others), rel=1e-5)
    biases = model.head.cls_score.bias.sigmoid()
    torch.testing.assert_close(biases, torch.full_like(biases, PRIORS[detector]))


def test_every_anchor_counts_alike(model, detector):
    """Without an object all is background, and nothing turns easy anchors down."""
    image = image_input(64, 64, [], [])
    weigh, model.guided_losses = model.guided_losses, None
    losses = train(model, image)
    with torch.no_grad():
        features = model.backbone(model.preprocess_image([image]).tensor)
        logits = model.head(list(features.values()))[0]
    divisor = 1.0 if detector == "atss" else model.loss_normalizer
    expected = sum(F.softplus(x).sum() for x in logits) / divisor
    # 5 % is what Detectron2's form loses of a probability of 1e-5 in float32
    torch.testing.assert_close(losses[NAMES[detector][0]], expected, rtol=0.06, atol=0)

    model.guided_losses = weigh
    weighted = train(model, image)
    assert weigh.ratio == 1.0  # there is nothing to measure
    sum(weighted.values()).backward()
    assert all(x.isfinite() for x in weighted.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_checkpoint_continues_exactly(model, config):
    batches = [image_input(64, 64, BOXES, [i, 5]) for i in range(3)]
    train(model, batches[0])
    resumed = instantiate(config.model)
    resumed.load_state_dict(copy.deepcopy(model.state_dict()))
    vars(resumed).update({k: v for k, v in vars(model).items() if k == "loss_normalizer"})
    for batch in batches[1:]:
        torch.testing.assert_close(train(model, batch), train(resumed, batch), rtol=0, atol=0)
    assert model.guided_losses.iterations == 2


def test_weights_of_losses_do_not_decay(config):
    model = instantiate(config.model)
    config.optimizer.params.model = model
    groups = instantiate(config.optimizer).param_groups
    (decay,) = (
        group["weight_decay"]
        for group in groups
        if any(p is model.guided_losses.sigmas for p in group["params"])
    )
    assert decay == 0.0
    assert max(group["weight_decay"] for group in groups) > 0
