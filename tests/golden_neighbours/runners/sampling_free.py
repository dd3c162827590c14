"""Sampling-Free: the classification loss, the guided scale, and both in RetinaNet's losses.

All in float64, as the reference ran. Where the reference's r is 0, which turns classification off
for ever, ours keeps the last one above 0: from there on the formula is checked instead.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sepc.layers import GuidedLosses
from sepc.methods.focal import focal_loss
from sepc.methods.targets import num_positives

from ..case import Case

TOLERANCE = 1e-7  # gradients are stored in float32


def run_cls(case: Case) -> None:
    logits, labels = array(case, "logits"), array(case, "labels").long()
    logits.requires_grad_()
    loss = classification_loss(logits, labels)
    loss.backward()
    check("loss", loss, array(case, "loss"))
    check("grad_logits", logits.grad, array(case, "grad_logits"))


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of all classes of all anchors; the reference counts 0 as background."""
    num_classes = logits.shape[1]
    ours = torch.where(labels > 0, labels - 1, torch.where(labels == 0, num_classes, -1))
    total = focal_loss(logits, ours, alpha=-1, gamma=0).sum()
    return total / num_positives(ours, num_classes).clamp(min=1)


def run_guided(case: Case) -> None:
    guided = make_guided(case)
    stored = {name: array(case, name) for name in case.arrays}
    measured = stored["ratio"] > 0
    hazard = len(measured) if measured.all() else int(measured.float().argmin())
    for step, losses in enumerate(stored["losses"]):
        if step == case.config["resumed_after"]:
            state = guided.state_dict()
            guided = make_guided(case)
            guided.load_state_dict(state)
        losses = losses.clone().requires_grad_()
        sigmas, before = guided.sigmas.detach().clone(), guided.ratio.clone()
        found = weigh(guided, losses)
        found.sum().backward()
        if step < hazard:
            check_step(stored, step, guided, sigmas, found, losses)
        else:
            check_after_hazard(guided, before, sigmas, found, losses)
        learn(guided, case)
    if hazard == len(measured):
        check("sigmas_after", guided.sigmas, stored["sigmas_after"])


def check_step(
    stored: dict[str, Tensor],
    step: int,
    guided: GuidedLosses,
    sigmas: Tensor,
    found: Tensor,
    losses: Tensor,
) -> None:
    actual = {
        "sigmas_before": sigmas,
        "weighted": found,
        "total": found.sum(),
        "ratio": guided.ratio,
        "grad_losses": losses.grad,
        "grad_sigmas": guided.sigmas.grad,
    }
    if stored["iters"].max() <= guided.warmup_iters:  # the reference stops counting then, too
        actual["iters"] = guided.iterations.double()
    for name, value in actual.items():
        check(f"{name}, call {step}", value, stored[name][step])


def check_after_hazard(
    guided: GuidedLosses, before: Tensor, sigmas: Tensor, found: Tensor, losses: Tensor
) -> None:
    """r is what it was before, and the classification loss goes on to have a gradient."""
    check("ratio", guided.ratio, before)
    assert losses.grad is not None and (losses.grad > 0).all()
    scale = torch.ones_like(sigmas)
    scale[0] = before
    expected = losses.detach() * scale / (2 * sigmas**2)
    check("weighted", found, torch.cat([expected, sigmas.prod().abs().log().reshape(1)]))


def run_end_to_end(case: Case) -> None:
    names = ["cls", "loc"]
    guided = GuidedLosses(names, warmup_iters=case.config["warmup_iters"]).double()
    for step in range(case.config["iterations"]):
        logits, deltas = (
            array(case, f"{name}{step}").requires_grad_() for name in ("logits", "box_regression")
        )
        labels = array(case, f"labels{step}").long()
        positive = labels > 0
        targets = array(case, f"regression_targets{step}")
        box = F.smooth_l1_loss(deltas[positive], targets[positive], beta=0.11, reduction="sum")
        losses = torch.stack(
            [classification_loss(logits, labels), box / (4 * positive.sum()).clamp(min=1)]
        )
        found = weigh(guided, losses)
        found.sum().backward()
        for name, value in {
            "weighted": found,
            "ratio": guided.ratio,
            "grad_logits": logits.grad,
            "grad_box_regression": deltas.grad,
            "grad_sigmas": guided.sigmas.grad,
        }.items():
            check(f"{name}{step}", value, array(case, f"{name}{step}"))
        learn(guided, case)


def make_guided(case: Case) -> GuidedLosses:
    """Without a warm-up the reference measures at the first call, as a warm-up of one call does."""
    warmup = case.config["warmup_iters"] or 1
    return GuidedLosses(case.config["names"], warmup_iters=warmup).double()


def weigh(guided: GuidedLosses, losses: Tensor) -> Tensor:
    """Weighted losses in the order of the reference, in which the logarithm comes last."""
    return torch.stack(list(guided(dict(zip(guided.names, losses, strict=True))).values()))


def learn(guided: GuidedLosses, case: Case) -> None:
    with torch.no_grad():
        guided.sigmas -= case.config["sigma_lr"] * guided.sigmas.grad
    guided.sigmas.grad = None


def array(case: Case, name: str) -> Tensor:
    return torch.from_numpy(np.asarray(case.arrays[name])).double()


def check(name: str, actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(
        actual.detach(),
        expected,
        rtol=TOLERANCE,
        atol=TOLERANCE,
        msg=lambda message: f"{name}: {message}",
    )


RUNNERS = {
    "sampling_free_cls": run_cls,
    "sampling_free_guided": run_guided,
    "sampling_free_end_to_end": run_end_to_end,
}
