"""Detections as mmdetection 1.x computes them, written down plainly, and those found here."""

import itertools
import math

import pytest
import torch
from detectron2.config import instantiate
from detectron2.structures import Boxes

from sepc.d2.mmdet1 import InclusiveBoxes, LegacyAnchorGenerator, LegacyBox2BoxTransform

from .helpers import image_input
from .released import released_config, with_stub_backbone

CLASSES = 2
STRIDES = [8, 16, 32, 64, 128]


def retina_anchors(stride):
    """Base anchors (x1, y1, x2, y2), the last pixel counted in."""
    middle = (stride - 1) / 2
    for ratio in (0.5, 1.0, 2.0):
        for i in range(3):
            side = stride * 4 * 2 ** (i / 3)
            width, height = side / math.sqrt(ratio), side * math.sqrt(ratio)
            yield [
                round(middle - 0.5 * (width - 1)),
                round(middle - 0.5 * (height - 1)),
                round(middle + 0.5 * (width - 1)),
                round(middle + 0.5 * (height - 1)),
            ]


def delta2bbox(anchor, delta, stds):
    x1, y1, x2, y2 = anchor
    dx, dy, dw, dh = (d * std for d, std in zip(delta, stds, strict=True))
    width, height = x2 - x1 + 1, y2 - y1 + 1
    x, y = (x1 + x2) / 2 + width * dx, (y1 + y2) / 2 + height * dy
    width, height = width * math.exp(dw), height * math.exp(dh)
    return [
        x - width / 2 + 0.5,
        y - height / 2 + 0.5,
        x + width / 2 - 0.5,
        y + height / 2 - 0.5,
    ]


def tblr2bbox(anchor, distances, _stds):
    """The columns are bottom, top, left, right, in anchors."""
    x1, y1, x2, y2 = anchor
    size = x2 - x1 + 1
    x, y = (x1 + x2 + 1) / 2, (y1 + y2 + 1) / 2
    bottom, top, left, right = (max(d, 0) * size for d in distances)
    return [x - left, y - top, x + right - 1, y + bottom - 1]


def expected_detections(logits, deltas, base_anchors, decode, stds, size, scale):
    """(score, class, COCO's x, y, width, height at the original scale), the best first.

    Of all predictions whose box touches the image; mmdetection moves the others to its border.
    """
    height, width = size
    last = [width - 1, height - 1]
    found = []
    for stride, level_logits, level_deltas in zip(STRIDES, logits, deltas, strict=True):
        rows = level_logits.double().sigmoid().permute(1, 2, 0).tolist()
        delta_rows = level_deltas.double().permute(1, 2, 0).tolist()
        for row, column in itertools.product(range(len(rows)), range(len(rows[0]))):
            shift = [column * stride, row * stride] * 2
            for a, base in enumerate(base_anchors(stride)):
                anchor = [x + s for x, s in zip(base, shift, strict=True)]
                box = decode(anchor, delta_rows[row][column][4 * a : 4 * a + 4], stds)
                if box[0] > last[0] or box[1] > last[1] or box[2] < 0 or box[3] < 0:
                    continue
                box = [min(max(x, 0), m) / scale for x, m in zip(box, last * 2, strict=True)]
                xywh = [box[0], box[1], box[2] - box[0] + 1, box[3] - box[1] + 1]
                scores = rows[row][column][CLASSES * a : CLASSES * (a + 1)]
                found += [(score, k, *xywh) for k, score in enumerate(scores)]
    return torch.tensor(sorted(found, reverse=True), dtype=torch.float64)


@pytest.mark.parametrize(
    ("detector", "base_anchors", "decode", "stds"),
    [
        ("retinanet", retina_anchors, delta2bbox, [1, 1, 1, 1]),
        ("free_anchor", retina_anchors, delta2bbox, [0.1, 0.1, 0.2, 0.2]),
        ("fsaf", lambda stride: [[0, 0, stride - 1, stride - 1]], tblr2bbox, None),
    ],
)
@pytest.mark.parametrize("scale", [1, 2])
def test_detections_of_a_released_config(detector, base_anchors, decode, stds, scale):
    cfg = with_stub_backbone(released_config(f"{detector}_R_50_FPN_pconv_1x"))
    cfg.model.num_classes = CLASSES
    torch.manual_seed(0)
    model = instantiate(cfg.model).eval()
    # no prediction is left out: that is Detectron2's part
    model.test_score_thresh, model.test_nms_thresh = 0.0, 1.0
    model.test_topk_candidates = model.max_detections_per_image = 10**6
    with torch.no_grad():
        for parameter in model.head.trunk.parameters():
            parameter.mul_(10)
        model.head.cls_score.weight.normal_(std=0.3)
        model.head.bbox_pred.weight.normal_(std=0.05)

    seen = []

    def keep(module, args, output):  # Detectron2 takes the sigmoid in place
        seen.extend([level[0].clone() for level in maps] for maps in output)

    model.head.register_forward_hook(keep)
    size = (260, 290)  # padded to 288 x 320
    x = image_input(*size)
    x["height"], x["width"] = (side // scale for side in size)
    with torch.no_grad():
        instances = model([x])[0]["instances"]

    logits, deltas = seen
    assert logits[0].shape[-2:] == (34, 38)  # two cells less than the map of 36 x 40
    expected = expected_detections(logits, deltas, base_anchors, decode, stds, size, scale)
    scores, boxes = instances.scores.double(), instances.pred_boxes.tensor.double()
    found = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)
    touching = touches((boxes + boxes.new_tensor([0, 0, -1, -1])) * scale, size)
    scores, found, classes = (x[touching] for x in (scores, found, instances.pred_classes))
    assert len(scores) == len(expected) > 1000
    torch.testing.assert_close(scores, expected[:, 0], rtol=0, atol=1e-6)
    # what is equally good in float32 may change places
    distinct = alone(expected[:, 0])
    assert distinct.sum() > 500
    assert torch.equal(classes[distinct].double(), expected[distinct, 1])
    torch.testing.assert_close(found[distinct], expected[distinct, 2:], rtol=1e-5, atol=2e-3)


def touches(boxes, size):
    """Whether a box begins before the last pixel; one that begins on it is cut differently."""
    return (boxes[:, 0] <= size[1] - 1) & (boxes[:, 1] <= size[0] - 1)


def alone(scores, gap=1e-6):
    """Which of the descending scores are further than ``gap`` from both neighbors."""
    apart = scores[:-1] - scores[1:] > gap
    edge = torch.ones(1, dtype=torch.bool)
    return torch.cat([edge, apart]) & torch.cat([apart, edge])


def test_offset_of_legacy_anchors():
    with pytest.raises(ValueError, match=r"expected offset 0, .* got 0.5"):
        LegacyAnchorGenerator(sizes=[[32]], aspect_ratios=[1.0], strides=[8], offset=0.5)


def test_boxes_shrink_by_no_more_than_they_grow():
    transform = LegacyBox2BoxTransform([1.0, 1.0, 1.0, 1.0])
    anchor = torch.tensor([[0.0, 0.0, 62.5, 62.5]])
    box = transform.apply_deltas(torch.tensor([[0.0, 0.0, -9.0, 9.0]]), anchor)
    sides = box[:, 2:] - box[:, :2]
    torch.testing.assert_close(sides, torch.tensor([[1.0, 62.5**2]]))


class Echo:
    """A detector that learns the boxes it is given, and finds the same."""

    def forward(self, batched_inputs):
        self.seen = [x["instances"].gt_boxes.tensor.clone() for x in batched_inputs]
        height, width = batched_inputs[0]["image"].shape[-2:]
        outputs = []
        for x in batched_inputs:
            scale = torch.tensor([x["width"] / width, x["height"] / height]).repeat(2)
            instances = type(x["instances"])((x["height"], x["width"]))
            instances.pred_boxes = Boxes(x["instances"].gt_boxes.tensor * scale)
            outputs.append({"instances": instances})
        return outputs


class Detector(InclusiveBoxes, Echo):
    inclusive_boxes = True

    def __init__(self, training):
        self.training = training


def scaled_input(boxes):
    """An image of 100 x 50 at twice its width and four times its height."""
    factors = torch.tensor([2.0, 4.0, 2.0, 4.0])
    x = image_input(200, 200, (torch.tensor(boxes) * factors).tolist(), [0] * len(boxes))
    return {**x, "width": 100, "height": 50}


def test_ground_truth_is_scaled_as_mmdetection_scales_it():
    detector = Detector(training=True)
    boxes = [[10.0, 5.0, 20.0, 25.0], [3.0, 3.0, 3.4, 3.4]]
    x = scaled_input(boxes)
    before = x["instances"].gt_boxes.tensor.clone()
    detector.forward([x])
    # inclusive corners are (10, 5, 19, 24), times the factors (20, 20, 38, 96), plus one pixel
    expected = [[20.0, 20.0, 39.0, 97.0], [6.0, 12.0, 7.0, 13.0]]
    torch.testing.assert_close(detector.seen[0], torch.tensor(expected))
    assert torch.equal(x["instances"].gt_boxes.tensor, before)


def test_what_is_learnt_is_found():
    boxes = [[10.0, 5.0, 20.0, 25.0], [0.0, 0.0, 100.0, 50.0], [7.0, 8.0, 8.0, 9.0]]
    x = scaled_input(boxes)
    learner = Detector(training=True)
    learner.forward([x])
    x["instances"].gt_boxes.tensor = learner.seen[0]
    found = Detector(training=False).forward([x])[0]["instances"].pred_boxes.tensor
    torch.testing.assert_close(found, torch.tensor(boxes))


def test_switched_off_nothing_changes():
    detector = Detector(training=True)
    detector.inclusive_boxes = False
    x = scaled_input([[10.0, 5.0, 20.0, 25.0]])
    detector.forward([x])
    torch.testing.assert_close(detector.seen[0], x["instances"].gt_boxes.tensor)
