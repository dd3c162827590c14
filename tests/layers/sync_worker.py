"""What each of several processes does in the tests of synchronized norms; needs torch alone.

Run by torchrun: ``torchrun --nproc-per-node 2 sync_worker.py FOLDER NORM...``.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sepc import PyramidNorm, build_sepc
from sepc.layers import make_norm

CHANNELS = 3
EQUAL_SIZES = [[(6, 5), (3, 3), (2, 2)]] * 3
# images of each process, and the sizes of its levels
CASES = {
    "even": ([2, 2, 2], EQUAL_SIZES),
    "uneven": ([1, 3, 2], EQUAL_SIZES),
    "one_empty": ([3, 0, 1], EQUAL_SIZES),
    "all_empty": ([0, 0, 0], EQUAL_SIZES),
    "other_sizes": ([1, 2, 1], [[(6, 5), (3, 3)], [(4, 7), (2, 4)], [(1, 1), (1, 1)]]),
}
FACTORIES = {"torch_SyncBN": nn.SyncBatchNorm}


def batch_of(case: str, rank: int) -> tuple[list[Tensor], list[Tensor]]:
    """A pyramid of one process, and the gradients that its outputs get."""
    images, sizes = CASES[case][0][rank], CASES[case][1][rank]
    generator = torch.Generator().manual_seed(17 * rank + len(case))

    def draw(size: tuple[int, int]) -> Tensor:
        shape = (images, CHANNELS, *size)
        # another mean in every process, so that statistics of one alone are far off
        return rank + torch.randn(shape, generator=generator, dtype=torch.float64)

    return [draw(size).requires_grad_() for size in sizes], [draw(size) for size in sizes]


def make_module(norm: str, *, trunk: bool = False) -> nn.Module:
    """The same parameters in every process."""
    torch.manual_seed(0)
    if trunk:
        module: nn.Module = build_sepc("sepc", CHANNELS, num_stages=2, norm=norm)
    else:
        module = PyramidNorm(make_norm(FACTORIES.get(norm, norm), CHANNELS))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.double().train()


def use(module: nn.Module, case: str, rank: int, *, relu: bool = False) -> dict[str, object]:
    """Forward and backward: all that the processes are compared by."""
    features, gradients = batch_of(case, rank)
    if isinstance(module, PyramidNorm):
        outputs = module(features, relu=relu)
    else:
        outputs = [a + 2 * b for a, b in zip(*module(features), strict=True)]
    loss = sum((y * g).sum() for y, g in zip(outputs, gradients, strict=True))
    loss.backward()
    return {
        "outputs": [y.detach() for y in outputs],
        "grad_features": [x.grad for x in features],
        "grads": {name: p.grad for name, p in module.named_parameters()},
        "state": module.state_dict(),
    }


def work(folder: str, *norms: str) -> None:
    """All cases of all norms; what comes out is saved for the test to compare."""
    rank = dist.get_rank()
    results = {
        (norm, case, relu): use(make_module(norm), case, rank, relu=relu)
        for norm in norms
        for case in CASES
        for relu in (False, True)
        if not (norm.startswith("naive") and case == "other_sizes")
    }
    for case in ("uneven", "one_empty"):
        results["trunk", case, True] = use(make_module("SyncBN", trunk=True), case, rank)
    torch.save(results, Path(folder, f"{rank}.pt"))


if __name__ == "__main__":
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    try:
        work(*sys.argv[1:])
    finally:
        dist.destroy_process_group()
