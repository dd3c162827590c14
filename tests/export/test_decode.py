"""Detections from fixed shapes equal those of thresholds first."""

import pytest
import torch
from torchvision.ops import nms

from sepc.export.decode import select_detections, top_candidates


def thresholds_first(boxes, scores, classes, *, score_thresh, nms_thresh, max_detections):
    kept = []
    for label in classes.unique():
        chosen = torch.nonzero((classes == label) & (scores > score_thresh)).squeeze(1)
        kept.append(chosen[nms(boxes[chosen], scores[chosen], nms_thresh)])
    indices = torch.cat(kept)
    return indices[scores[indices].argsort(descending=True)][:max_detections]


def select_in_image(boxes, scores, classes, **arguments):
    """Indices of the detections of an image by itself."""
    images, kept = select_detections(
        boxes[None], scores[None], classes[None], num_classes=4, **arguments
    )
    assert not images.any()
    return kept


@pytest.mark.parametrize("max_detections", [5, 1000])
@pytest.mark.parametrize("shift", [0.0, -200.0])
def test_select_detections(max_detections, shift):
    torch.manual_seed(0)
    corners = torch.rand(300, 2) * 100 + shift
    boxes = torch.cat((corners, corners + 1 + torch.rand(300, 2) * 60), dim=1)
    scores, classes = torch.rand(300), torch.randint(4, (300,))
    arguments = dict(score_thresh=0.3, nms_thresh=0.5, max_detections=max_detections)
    expected = thresholds_first(boxes, scores, classes, **arguments)
    assert 0 < len(expected) < 200
    actual = select_in_image(boxes, scores, classes, **arguments)
    torch.testing.assert_close(actual, expected)


def test_select_detections_with_nothing_above_the_threshold():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 2, 2]])
    kept = select_in_image(
        boxes,
        torch.tensor([0.1, 0.2]),
        torch.tensor([0, 1]),
        score_thresh=0.5,
        nms_thresh=0.5,
        max_detections=10,
    )
    assert kept.shape == (0,)


def test_top_candidates():
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])
    best, positions, classes = top_candidates(scores, 3)
    assert best.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert positions.tolist() == [0, 1, 2]
    assert classes.tolist() == [1, 0, 0]
    assert len(top_candidates(scores, 1000)[0]) == 6


@pytest.mark.parametrize("max_detections", [5, 1000])
def test_selection_in_a_batch_is_that_of_each_image(max_detections):
    torch.manual_seed(0)
    corners = torch.rand(3, 200, 2) * 100
    boxes = torch.cat((corners, corners + 1 + torch.rand(3, 200, 2) * 60), dim=2)
    scores, classes = torch.rand(3, 200), torch.randint(4, (3, 200))
    arguments = dict(score_thresh=0.3, nms_thresh=0.5, max_detections=max_detections)
    images, chosen = select_detections(boxes, scores, classes, num_classes=4, **arguments)
    for i in range(3):
        expected = select_in_image(boxes[i], scores[i], classes[i], **arguments)
        assert len(expected) >= 5
        torch.testing.assert_close(chosen[images == i], expected)
