import math

import torch
import torch.nn.functional as F

from sepc.methods.atss import atss_assign
from sepc.methods.gfl import (
    decode_distributions,
    distribution_focal_loss,
    gfl_losses,
    integral,
    quality_focal_loss,
)
from sepc.methods.targets import anchor_targets

from .scene import NUM_ANCHORS, K, R, predictions, square_anchors, strides


def test_qfl_with_quality_one_is_focal_loss_without_alpha() -> None:
    logits = torch.randn(6, 3)
    labels = torch.tensor([0, 1, 2, 3, 3, 0])
    targets = F.one_hot(labels, 4)[:, :3].float()
    p = logits.sigmoid()
    p_t = torch.where(targets > 0, p, 1 - p)
    expected = (-((1 - p_t) ** 2) * p_t.log()).sum()
    torch.testing.assert_close(quality_focal_loss(logits, labels, torch.ones(6)), expected)


def test_qfl_is_zero_where_the_score_is_the_quality() -> None:
    quality = torch.tensor([0.3, 0.9])
    logits = torch.logit(quality).unsqueeze(1).requires_grad_()
    loss = quality_focal_loss(logits, torch.tensor([0, 0]), quality)
    torch.testing.assert_close(loss, torch.tensor(0.0))
    loss.backward()
    torch.testing.assert_close(logits.grad, torch.zeros(2, 1))


def test_qfl_reads_the_quality_of_positives_only() -> None:
    logits = torch.randn(3, 2)
    labels = torch.tensor([2, -1, 1])
    loss = quality_focal_loss(logits, labels, torch.tensor([0.0, 0.0, 0.5]))
    torch.testing.assert_close(
        quality_focal_loss(logits, labels, torch.tensor([9.0, 9.0, 0.5])), loss
    )
    # an ignored anchor adds nothing
    kept = quality_focal_loss(logits[[0, 2]], labels[[0, 2]], torch.tensor([0.0, 0.5]))
    torch.testing.assert_close(loss, kept)


def test_dfl_of_a_sharp_distribution_at_an_integer_is_zero() -> None:
    sharp = torch.full((5,), -60.0)
    sharp[3] = 60.0
    torch.testing.assert_close(distribution_focal_loss(sharp, torch.tensor(3.0)), torch.tensor(0.0))


def test_dfl_is_least_where_the_two_bins_share_as_the_target_lies() -> None:
    """Target 2.25: a quarter of the probability to bin 3; the loss is the entropy of that."""
    best = torch.tensor([1e-30, 1e-30, 0.75, 0.25, 1e-30]).log()
    loss = distribution_focal_loss(best, torch.tensor(2.25))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(loss, torch.tensor(entropy))
    torch.testing.assert_close(integral(best), torch.tensor(2.25))


def test_dfl_clamps_targets_below_the_last_bin() -> None:
    logits = torch.randn(5)
    last = distribution_focal_loss(logits, torch.tensor(3.9))
    torch.testing.assert_close(distribution_focal_loss(logits, torch.tensor(100.0)), last)
    first = -logits.log_softmax(0)[0]
    torch.testing.assert_close(distribution_focal_loss(logits, torch.tensor(-7.0)), first)


def test_the_integral_of_a_flat_distribution_is_the_middle() -> None:
    torch.testing.assert_close(integral(torch.zeros(2, 4, 17)), torch.full((2, 4), 8.0))


def test_decoding_by_hand() -> None:
    """Sharp distributions at 1, 2, 3, 4 strides of 8 pixels around the center (20, 20)."""
    anchors = torch.tensor([[10.0, 10.0, 30.0, 30.0]])
    bins = torch.eye(6)[[1, 2, 3, 4]].flatten() * 200
    boxes = decode_distributions(anchors, torch.tensor([8.0]), bins[None, None])
    torch.testing.assert_close(boxes, torch.tensor([[[12.0, 4.0, 44.0, 52.0]]]))


def test_perfect_boxes() -> None:
    """A box whose sides lie on whole strides can be met: no box and no distribution loss."""
    anchors = torch.tensor([[0.0, 0.0, 32.0, 32.0]])
    box = torch.tensor([[8.0, 0.0, 24.0, 40.0]])  # 1, 2, 1, 3 strides from (16, 16)
    bins = torch.eye(5)[[1, 2, 1, 3]].flatten()[None, None] * 200
    logits = torch.tensor([[[30.0, -30.0]]])
    losses = gfl_losses(
        logits, bins, anchors, torch.tensor([8.0]), torch.tensor([[0]]), box.unsqueeze(0)
    )
    zero = torch.tensor(0.0)
    torch.testing.assert_close(losses.quality, zero)
    torch.testing.assert_close(losses.box, zero, rtol=0, atol=1e-6)
    torch.testing.assert_close(losses.distribution, zero)
    assert losses.num_positives.item() == 1
    torch.testing.assert_close(losses.total_weight, torch.tensor(1.0))


def test_weights_are_the_highest_scores_without_gradient() -> None:
    anchors = square_anchors(8)
    boxes = torch.tensor([[10.0, 12.0, 41.0, 50.0]])
    assignment = atss_assign(anchors, boxes, NUM_ANCHORS)
    labels, matched = anchor_targets(assignment, boxes, torch.tensor([1]), num_classes=K)
    logits, bins = predictions(1, K, 4 * 9)
    losses = gfl_losses(logits, bins, anchors, strides(), labels[None], matched[None])
    expected = logits[0, assignment == 0].sigmoid().amax(dim=1).sum()
    torch.testing.assert_close(losses.total_weight, expected.detach())
    assert not losses.total_weight.requires_grad
    (losses.box + losses.distribution).backward(retain_graph=True)
    assert logits.grad is None
    # nor does the quality target pull at the boxes
    bins.grad = None
    losses.quality.backward()
    assert bins.grad is None and logits.grad.shape == (1, R, K)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.double, generator=generator, requires_grad=True)
    quality = torch.rand(4, dtype=torch.double, generator=generator)
    labels = torch.tensor([0, 3, -1, 2])
    assert torch.autograd.gradcheck(lambda x: quality_focal_loss(x, labels, quality), logits)
    bins = torch.randn(3, 6, dtype=torch.double, generator=generator, requires_grad=True)
    targets = torch.tensor([0.3, 2.0, 9.0], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: distribution_focal_loss(x, targets), bins)
    assert torch.autograd.gradcheck(integral, bins)
