import math

import pytest
import torch
from torchvision.ops import box_iou

from sepc.methods.atss import atss_assign, atss_losses, centerness_targets
from sepc.methods.boxes import centers, encode_deltas
from sepc.methods.targets import BACKGROUND, anchor_targets

from .scene import NUM_ANCHORS, K, R, square_anchors


def shifted(*shifts: float) -> torch.Tensor:
    """Squares of side 10, shifted to the right: the IoU with the first is (10 - s) / (10 + s)."""
    return torch.tensor([[s, 0.0, s + 10, 10.0] for s in shifts])


def test_threshold_by_hand() -> None:
    """IoUs 1, 9/11, 1/3 and 0 (six times).

    Mean 0.239, unbiased deviation 0.398: the threshold of 0.637 leaves the first two.
    """
    anchors = shifted(0, 1, 5, *range(20, 80, 10))
    box = anchors[:1]
    assert atss_assign(anchors, box, [9]).tolist() == [0, 0] + [BACKGROUND] * 7


def test_the_threshold_adapts_to_the_candidates() -> None:
    """IoUs 1, 9/11 and 1/3 alone: mean 0.717, deviation 0.345, so even 1 is not enough."""
    anchors = shifted(0, 1, 5, *range(20, 80, 10))
    box = anchors[:1]
    assert atss_assign(anchors, box, [9], topk=3).tolist() == [BACKGROUND] * 9
    # two at each of two levels, IoUs 1, 9/11, 1/3 and 0: mean 0.538, deviation 0.456
    assert atss_assign(anchors, box, [2, 7], topk=2).tolist() == [0] + [BACKGROUND] * 8


def test_candidates_of_one_iou_reach_their_own_mean() -> None:
    """Four anchors around the center of the box: the deviation is 0, and all are positive."""
    offsets = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]) * 3.3
    anchors = torch.cat([offsets - 7, offsets + 7], dim=1) + 50
    box = torch.tensor([[40.0, 40.0, 60.0, 60.0]])
    ious = box_iou(box, anchors)
    anchors = anchors[(ious == ious[0, 0]).flatten()]
    assert len(anchors) > 1
    assert (atss_assign(anchors, box, [len(anchors)]) == 0).all()


def test_a_single_candidate_is_positive() -> None:
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    assert atss_assign(anchors, torch.tensor([[2.0, 2.0, 9.0, 9.0]]), [1]).tolist() == [0]


def test_a_contested_anchor_goes_to_the_highest_iou() -> None:
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    boxes = torch.tensor([[0.0, 0.0, 10.0, 20.0], [0.0, 0.0, 10.0, 11.0], [0.0, 0.0, 30.0, 30.0]])
    assert atss_assign(anchors, boxes, [1]).tolist() == [1]


def test_positives_have_their_center_inside_and_are_among_the_nearest() -> None:
    anchors = square_anchors(8)
    boxes = torch.tensor([[10.0, 12.0, 41.0, 50.0], [30.0, 5.0, 79.0, 60.0]])
    assignment = atss_assign(anchors, boxes, NUM_ANCHORS, topk=4)
    positive = assignment >= 0
    assert 0 < positive.sum() <= 2 * 3 * 4
    matched = boxes[assignment[positive]]
    points = centers(anchors)[positive]
    assert (points > matched[:, :2]).all() and (points < matched[:, 2:]).all()
    for level in positive.split(NUM_ANCHORS):
        assert level.sum() <= 2 * 4


def test_anchors_that_are_not_valid_are_no_candidates() -> None:
    anchors = square_anchors(8)
    boxes = torch.tensor([[10.0, 12.0, 41.0, 50.0]])
    before = atss_assign(anchors, boxes, NUM_ANCHORS)
    valid = before != 0
    after = atss_assign(anchors, boxes, NUM_ANCHORS, valid=valid)
    assert (before == 0).any() and (after[~valid] == BACKGROUND).all()
    # the same as if they were not there
    kept = [int(v.sum()) for v in valid.split(NUM_ANCHORS)]
    torch.testing.assert_close(after[valid], atss_assign(anchors[valid], boxes, kept))
    assert (atss_assign(anchors, boxes, NUM_ANCHORS, valid=valid & False) == BACKGROUND).all()


def test_centerness_by_hand() -> None:
    box = torch.tensor([0.0, 0.0, 10.0, 20.0]).expand(4, 4)
    points = torch.tensor([[5.0, 10.0], [2.0, 10.0], [0.0, 10.0], [12.0, 10.0]])
    expected = torch.tensor([1.0, math.sqrt(2 / 8), 0.0, 0.0])
    torch.testing.assert_close(centerness_targets(points, box), expected)
    assert centerness_targets(torch.zeros(1, 2), torch.zeros(1, 4)).item() == 0


def test_perfect_predictions_have_no_box_loss() -> None:
    anchors = square_anchors(8)
    boxes = torch.tensor([[10.0, 12.0, 41.0, 50.0]])
    assignment = atss_assign(anchors, boxes, NUM_ANCHORS)
    labels, matched = anchor_targets(assignment, boxes, torch.tensor([1]), num_classes=K)
    deltas = encode_deltas(anchors, matched, (10, 10, 5, 5)).unsqueeze(0)
    sure = torch.full((1, R, K), -50.0)
    sure[0, labels == 1, 1] = 50.0
    losses = atss_losses(sure, deltas, torch.zeros(1, R), anchors, labels[None], matched[None])
    torch.testing.assert_close(losses.cls, torch.tensor(0.0))
    torch.testing.assert_close(losses.box, torch.tensor(0.0), rtol=0, atol=1e-4)
    assert losses.num_positives.item() == (assignment == 0).sum()
    # a centerness of one half everywhere costs log 2 whatever the targets are
    expected = losses.num_positives * math.log(2)
    torch.testing.assert_close(losses.centerness, expected)


@pytest.mark.parametrize("part", ["cls", "box", "centerness"])
def test_gradients(part: str) -> None:
    anchors = square_anchors(8)[:20].double()
    boxes = torch.tensor([[5.0, 6.0, 61.0, 40.0]], dtype=torch.double)
    assignment = atss_assign(anchors, boxes, [20])
    labels, matched = anchor_targets(assignment, boxes, torch.tensor([1]), num_classes=2)
    assert (labels == 1).any()
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, 20, 2), (1, 20, 4), (1, 20)]
    inputs = [torch.randn(s, dtype=torch.double, generator=generator) for s in shapes]

    def loss(*x: torch.Tensor) -> torch.Tensor:
        return getattr(atss_losses(*x, anchors, labels[None], matched[None]), part)

    assert torch.autograd.gradcheck(loss, [x.requires_grad_() for x in inputs], fast_mode=True)
