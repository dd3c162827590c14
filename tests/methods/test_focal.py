import pytest
import torch
import torch.nn.functional as F

from sepc.methods.focal import focal_loss


def test_without_gamma_it_is_weighted_cross_entropy() -> None:
    logits = torch.randn(5, 3)
    labels = torch.tensor([0, 2, 1, 3, 0])  # 3 is background
    targets = F.one_hot(labels, 4)[:, :3].float()
    expected = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    expected = expected * torch.where(targets > 0, 0.25, 0.75)
    torch.testing.assert_close(focal_loss(logits, labels, alpha=0.25, gamma=0), expected)


def test_easy_examples_are_turned_down_by_their_distance() -> None:
    """(1 - p)^gamma for a positive."""
    logits = torch.tensor([[2.0]])
    label = torch.tensor([0])
    plain = focal_loss(logits, label, alpha=0.5, gamma=0)
    torch.testing.assert_close(
        focal_loss(logits, label, alpha=0.5, gamma=2), plain * (1 - logits.sigmoid()) ** 2
    )


def test_ignored_anchors_have_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = focal_loss(logits, torch.tensor([-1, 1]), alpha=0.25, gamma=2)
    assert not loss[0].any() and loss[1].all()
    loss.sum().backward()
    assert not logits.grad[0].any() and logits.grad[1].all()


@pytest.mark.parametrize("gamma", [2.0, 1.5])
def test_value_and_gradient_are_those_of_fvcore(gamma) -> None:
    fvcore = pytest.importorskip("fvcore.nn")
    logits = (torch.randn(50, 7) * 8).requires_grad_()
    labels = torch.randint(-1, 8, (50,))
    targets = F.one_hot(labels[labels >= 0], 8)[:, :7].float()
    expected = fvcore.sigmoid_focal_loss(
        logits[labels >= 0], targets, alpha=0.25, gamma=gamma, reduction="sum"
    )
    found = focal_loss(logits, labels, alpha=0.25, gamma=gamma).sum()
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(x, logits)[0] for x in (found, expected)]
    torch.testing.assert_close(*gradients)
