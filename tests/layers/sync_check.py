"""Compares what several processes computed with one process that has the whole batch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import torch
from torch import Tensor, nn

from . import sync_worker
from .sync_worker import CASES, CHANNELS, batch_of, make_module

ROOT = Path(__file__).resolve().parents[2]


def run(command: list[str], folder: Path, processes: int) -> list[dict]:
    """Results of each process of a command that starts them; none may be left waiting."""
    paths = f"{ROOT / 'projects' / 'SEPC'}{os.pathsep}{ROOT}"
    settings = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, env=os.environ | settings, cwd=folder, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt") for rank in range(processes)]


def check_norm(results: list[dict], norm: str, case: str, *, relu: bool) -> None:
    """Against torch's BN of the samples of all processes side by side."""
    ranks = [result[norm, case, relu] for result in results]
    state = {k.removeprefix("shared."): v for k, v in make_module(norm).state_dict().items()}
    oracle = nn.BatchNorm2d(CHANNELS).double()
    oracle.load_state_dict(state)
    batches = [batch_of(case, rank) for rank in range(len(ranks))]
    samples = torch.cat([flat(features) for features, _ in batches], dim=1).detach()
    gradients = torch.cat([flat(gradients) for _, gradients in batches], dim=1)
    samples.requires_grad_()

    expected = samples
    if samples.shape[1]:
        expected = oracle(samples[None, ..., None])[0, ..., 0]
        expected = expected.relu() if relu else expected
        (expected * gradients).sum().backward()
        grads = {f"shared.{name}": p.grad for name, p in oracle.named_parameters()}
    else:
        grads = {f"shared.{name}": p * 0 for name, p in oracle.named_parameters()}
    exact = dict(rtol=1e-9, atol=1e-9)
    assert_close = torch.testing.assert_close
    assert_close(torch.cat([flat(r["outputs"]) for r in ranks], 1), expected.detach(), **exact)
    if samples.grad is not None:
        assert_close(torch.cat([flat(r["grad_features"]) for r in ranks], 1), samples.grad, **exact)
    for name, grad in grads.items():
        assert_close(sum(r["grads"][name] for r in ranks), grad.detach(), **exact)
    if not norm.startswith("naive"):
        for rank in ranks:
            for name, value in oracle.state_dict().items():
                assert_close(rank["state"][f"shared.{name}"], value, **exact)


def check_trunk(results: list[dict], case: str) -> None:
    """Against the trunk with ordinary iBN in one process."""
    ranks = [result["trunk", case, True] for result in results]
    whole = make_module("BN", trunk=True)
    batches = [batch_of(case, rank) for rank in range(len(ranks))]
    features = [torch.cat(level).detach() for level in zip(*(b[0] for b in batches), strict=True)]
    gradients = [torch.cat(level) for level in zip(*(b[1] for b in batches), strict=True)]
    outputs = [a + 2 * b for a, b in zip(*whole(features), strict=True)]
    sum((y * g).sum() for y, g in zip(outputs, gradients, strict=True)).backward()
    for level, output in enumerate(outputs):
        together = torch.cat([rank["outputs"][level] for rank in ranks])
        torch.testing.assert_close(together, output.detach())
    for name, parameter in whole.named_parameters():
        grads = [rank["grads"][name] for rank in ranks]
        assert all(torch.isfinite(grad).all() for grad in grads), name
        torch.testing.assert_close(sum(grads), parameter.grad, rtol=1e-6, atol=1e-8)
    for name, value in whole.state_dict().items():
        for rank in ranks:
            torch.testing.assert_close(rank["state"][name], value)


def flat(levels: list[Tensor]) -> Tensor:
    """(C, all positions of all images and levels)."""
    return torch.cat([x.transpose(0, 1).flatten(1) for x in levels], dim=1)


__all__ = ["CASES", "check_norm", "check_trunk", "run", "sync_worker"]
