import math

import torch
import torch.nn.functional as F

from sepc.methods.boxes import encode_deltas
from sepc.methods.free_anchor import (
    anchor_bags,
    box_probability,
    free_anchor_losses,
    negative_bag_loss,
    positive_bag_loss,
)

from .scene import K, R, square_anchors

WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def test_a_bag_holds_the_anchors_of_highest_iou() -> None:
    anchors = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60], [1, 0, 11, 10], [4, 0, 14, 10]])
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    assert anchor_bags(anchors, box, bag_size=2).tolist() == [[0, 2]]
    assert anchor_bags(anchors, box, bag_size=50).shape == (1, 4)
    assert anchor_bags(anchors, torch.zeros(0, 4), bag_size=2).shape == (0, 2)


def test_a_bag_of_one_is_cross_entropy() -> None:
    p = torch.tensor([[0.1], [0.7], [0.99]])
    torch.testing.assert_close(positive_bag_loss(p.log()), -p.log().squeeze(1))


def test_mean_max() -> None:
    """Like the mean while all are small, like the maximum once one is near 1."""
    small = torch.tensor([[0.001, 0.002, 0.003]])
    torch.testing.assert_close(
        positive_bag_loss(small.log()), -small.mean(dim=1).log(), rtol=1e-3, atol=0
    )
    sure = torch.tensor([[0.001, 0.002, 0.99999]])
    torch.testing.assert_close(
        positive_bag_loss(sure.log()), -sure.amax(dim=1).log(), rtol=0, atol=1e-4
    )
    mixed = torch.tensor([[0.2, 0.5]])
    weights = 1 / (1 - mixed)
    expected = -torch.log((weights * mixed).sum(dim=1) / weights.sum(dim=1))
    torch.testing.assert_close(positive_bag_loss(mixed.log()), expected)


def test_a_bag_whose_probabilities_vanish_still_learns() -> None:
    """exp(-500) is 0 in float32."""
    log_probability = torch.tensor([[-500.0, -510.0]], requires_grad=True)
    loss = positive_bag_loss(log_probability)
    torch.testing.assert_close(loss, torch.tensor([500.0 + math.log(2)]))
    loss.sum().backward()
    expected = torch.tensor([[-1.0, -math.exp(-10)]])
    torch.testing.assert_close(log_probability.grad, expected, rtol=1e-4, atol=1e-4 * math.exp(-10))


def test_a_certain_anchor_has_no_loss() -> None:
    log_probability = torch.tensor([[0.0, -1.0]], requires_grad=True)
    loss = positive_bag_loss(log_probability)
    torch.testing.assert_close(loss, torch.zeros(1))
    loss.sum().backward()
    assert log_probability.grad.isfinite().all()


def test_box_probability_by_hand() -> None:
    """IoUs 0.9, 0.75 and 0.5: from the threshold 0.6 on the ramp is 1, 1/2 and 0."""
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    predicted = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 7.5], [0, 0, 10, 5]])
    probability = box_probability(predicted, box, torch.tensor([1]), num_classes=3)
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(probability, expected, rtol=0, atol=1e-6)


def test_box_probability_takes_the_best_of_a_class() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0], [0.0, 0.0, 10.0, 9.0]])
    predicted = torch.tensor([[0.0, 0.0, 10.0, 8.0], [0.0, 0.0, 10.0, 10.0]])
    classes = torch.tensor([2, 2, 0])
    together = box_probability(predicted, boxes, classes, num_classes=3)
    alone = [
        box_probability(predicted, boxes[i : i + 1], classes[i : i + 1], num_classes=3)
        for i in range(3)
    ]
    torch.testing.assert_close(together, torch.stack(alone).amax(dim=0))
    assert together[:, 2].tolist() == [1.0, 1.0]


def test_box_probability_where_nothing_reaches_the_threshold() -> None:
    """The official code divides by zero there; at the threshold itself it has NaN."""
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    for height in (5.0, 6.0):
        predicted = torch.tensor([[0.0, 0.0, 10.0, height], [0.0, 0.0, 10.0, 3.0]])
        threshold = height / 10 if height == 6.0 else 0.6
        probability = box_probability(
            predicted, box, torch.tensor([0]), num_classes=1, threshold=threshold
        )
        assert not probability.any()


def test_without_localization_the_negative_loss_is_focal_loss_of_background() -> None:
    logits = torch.randn(5, 3) * 5
    p = logits.sigmoid()
    expected = p.square() * F.binary_cross_entropy_with_logits(
        logits, torch.zeros_like(logits), reduction="none"
    )
    torch.testing.assert_close(negative_bag_loss(logits, torch.zeros(5, 3)), expected)


def test_an_anchor_that_localizes_is_no_negative() -> None:
    logits = torch.randn(5, 3, requires_grad=True)
    loss = negative_bag_loss(logits, torch.ones(5, 3))
    torch.testing.assert_close(loss, torch.zeros(5, 3), rtol=0, atol=1e-6)


def test_perfect_predictions_have_no_loss() -> None:
    anchors = square_anchors(4)
    box, klass = torch.tensor([[10.0, 12.0, 41.0, 50.0]]), torch.tensor([1])
    deltas = encode_deltas(anchors, box.expand(R, 4), WEIGHTS)[None]
    logits = torch.full((1, R, K), -60.0)
    logits[..., 1] = 60.0
    losses = free_anchor_losses(logits, deltas, anchors, [box], [klass])
    zero = torch.tensor(0.0)
    torch.testing.assert_close(losses.positive, zero, rtol=0, atol=1e-4)
    torch.testing.assert_close(losses.negative, zero, rtol=0, atol=1e-4)
    assert losses.num_gts == 1


def test_alpha_shares_between_the_two_losses() -> None:
    anchors = square_anchors(4)
    box, klass = [torch.tensor([[10.0, 12.0, 41.0, 50.0]])], [torch.tensor([1])]
    logits, deltas = torch.randn(1, R, K), torch.randn(1, R, 4)
    only_positive = free_anchor_losses(logits, deltas, anchors, box, klass, alpha=1.0)
    only_negative = free_anchor_losses(logits, deltas, anchors, box, klass, alpha=0.0)
    assert only_positive.negative == 0 and only_negative.positive == 0
    both = free_anchor_losses(logits, deltas, anchors, box, klass, alpha=0.25)
    torch.testing.assert_close(both.positive, 0.25 * only_positive.positive)
    torch.testing.assert_close(both.negative, 0.75 * only_negative.negative)


def test_an_empty_batch() -> None:
    logits = torch.zeros(0, R, K, requires_grad=True)
    losses = free_anchor_losses(logits, torch.zeros(0, R, 4), square_anchors(4), [], [])
    assert losses.positive == 0 and losses.negative == 0 and losses.num_gts == 0
    losses.positive.backward()


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    log_probability = -torch.rand(2, 4, dtype=torch.double, generator=generator) - 0.1
    assert torch.autograd.gradcheck(positive_bag_loss, log_probability.requires_grad_())
    logits = torch.randn(3, 2, dtype=torch.double, generator=generator, requires_grad=True)
    localized = torch.tensor([[0.0, 0.3], [1.0, 0.0], [0.7, 0.2]], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: negative_bag_loss(x, localized), logits)
