"""The classification loss of Sampling-Free: focal loss that weighs nothing."""

import math

import torch
import torch.nn.functional as F

from sepc.methods.focal import focal_loss


def test_focal_loss_without_its_two_weights_is_cross_entropy():
    torch.manual_seed(0)
    logits = torch.randn(40, 3, dtype=torch.float64) * 10
    logits[0] = torch.tensor([90.0, -90.0, 0.0])
    labels = torch.randint(-1, 4, (40,))
    targets = F.one_hot(labels.clamp(min=0), 4)[:, :3].double()

    gradients = []
    for loss in (
        lambda x: focal_loss(x, labels, alpha=-1, gamma=0),
        lambda x: (
            F.binary_cross_entropy_with_logits(x, targets, reduction="none")
            * (labels >= 0).unsqueeze(1)
        ),
    ):
        x = logits.clone().requires_grad_()
        value = loss(x)
        value.sum().backward()
        gradients.append((value.detach(), x.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_cross_entropy_of_a_low_probability_is_exact_in_float32():
    logits = torch.full((1, 4), math.log(1e-5 / (1 - 1e-5)))
    loss = focal_loss(logits, torch.tensor([4]), alpha=-1, gamma=0)
    torch.testing.assert_close(loss, torch.full((1, 4), -math.log1p(-1e-5)), rtol=1e-5, atol=0)
