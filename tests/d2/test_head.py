import math

import pytest
import torch
from torch import nn

from sepc import build_sepc, optimize_for_inference
from sepc.d2.detectors.heads import CenternessHead, FSAFHead, SEPCHead
from sepc.layers import level_conv

from ..helpers import make_pyramid

SIZES = [(8, 10), (4, 5), (2, 3)]


def make_head(**overrides):
    arguments = dict(num_classes=5, num_anchors=3) | overrides
    trunk = arguments.pop("trunk", None) or build_sepc("sepc_lite", in_channels=4)
    return SEPCHead(trunk=trunk, **arguments)


def test_output_has_the_layout_of_retinanet_head():
    features = [torch.randn(2, 4, h, w) for h, w in SIZES]
    logits, deltas = make_head()(features)
    assert [tuple(x.shape) for x in logits] == [(2, 15, h, w) for h, w in SIZES]
    assert [tuple(x.shape) for x in deltas] == [(2, 12, h, w) for h, w in SIZES]


def test_each_predictor_reads_its_own_branch():
    head = make_head()
    features = [torch.randn(1, 4, h, w) for h, w in SIZES]
    cls_features, box_features = head.trunk(features)
    logits, deltas = head(features)
    torch.testing.assert_close(logits[1], head.cls_score(cls_features[1]))
    torch.testing.assert_close(deltas[1], head.bbox_pred(box_features[1]))


def test_trunk_may_have_other_channels_out_than_in():
    head = make_head(trunk=build_sepc("pconv", in_channels=4, out_channels=6))
    logits, _ = head([torch.randn(1, 4, h, w) for h, w in SIZES])
    assert logits[0].shape == (1, 15, 8, 10)


def test_all_classes_start_at_the_prior_probability():
    head = make_head(prior_prob=0.02)
    torch.testing.assert_close(head.cls_score.bias.sigmoid(), torch.full((15,), 0.02))
    assert not head.bbox_pred.bias.any()
    for predictor in (head.cls_score, head.bbox_pred):
        assert math.isclose(predictor.weight.std().item(), 0.01, rel_tol=0.2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_classes": 0}, "got num_classes=0, num_anchors=3"),
        ({"num_anchors": 0}, "got num_classes=5, num_anchors=0"),
        ({"prior_prob": 1.0}, "between 0 and 1, got 1.0"),
    ],
)
def test_numbers_out_of_range(overrides, message):
    with pytest.raises(ValueError, match=message):
        make_head(**overrides)


def test_box_predictor_of_other_width_and_bias():
    head = make_head(num_anchors=1, box_dim=7, box_bias=1.0)
    _, boxes = head([torch.zeros(1, 4, h, w) for h, w in SIZES])
    assert boxes[0].shape == (1, 7, 8, 10)
    torch.testing.assert_close(head.bbox_pred.bias, torch.ones(7))


def test_scales_multiply_the_boxes_of_their_level():
    head = make_head(num_scales=3)
    features = [torch.randn(1, 4, h, w) for h, w in SIZES]
    logits, boxes = head(features)
    head.scales[1].data.fill_(3.0)
    scaled_logits, scaled = head(features)
    torch.testing.assert_close(scaled_logits, logits)
    torch.testing.assert_close(scaled, [boxes[0], boxes[1] * 3, boxes[2]])


def test_centerness_reads_the_box_features():
    head = CenternessHead(trunk=build_sepc("pconv", in_channels=4), num_classes=5, num_scales=3)
    features = [torch.randn(1, 4, h, w) for h, w in SIZES]
    _, _, centerness = head(features)
    torch.testing.assert_close(centerness[0], head.ctrness(head.trunk(features)[1][0]))
    assert centerness[0].shape == (1, 1, 8, 10)


def test_two_branches_share_the_trunk():
    trunk = build_sepc("pconv", in_channels=4)
    head = FSAFHead(trunk=trunk, num_classes=5, num_anchors=3)
    outputs = head([torch.randn(1, 4, h, w) for h, w in SIZES])
    assert [x[0].shape[1] for x in outputs] == [15, 12, 5, 4]
    torch.testing.assert_close(head.free_cls_score.bias.sigmoid(), torch.full((5,), 0.01))
    torch.testing.assert_close(head.free_bbox_pred.bias, torch.ones(4))


def test_fast_form_of_the_predictors(monkeypatch):
    """A wide predictor goes by Winograd's filtering, a narrow one does not; both are the same."""
    torch.manual_seed(0)
    head = SEPCHead(trunk=build_sepc("pconv", 128, num_stages=1), num_classes=20, num_anchors=9)
    nn.init.normal_(head.cls_score.weight, std=0.1)
    head.eval().requires_grad_(False)
    features = make_pyramid([(40, 32), (20, 16)], 128, batch=1)
    fast, weights = optimize_for_inference(head), []
    function = level_conv.conv3x3_by_winograd
    monkeypatch.setattr(
        level_conv, "conv3x3_by_winograd", lambda *a: weights.append(id(a[1])) or function(*a)
    )
    for expected, found in zip(head(features), fast(features), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert id(fast.cls_score.weight) in weights and id(fast.bbox_pred.weight) not in weights
