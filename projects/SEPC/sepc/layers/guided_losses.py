"""Guided loss scaling of Sampling-Free: the other losses set that of classification."""

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .training_only import TrainingOnly

LOG_SCALES = "loss_log_scales"


class GuidedLosses(TrainingOnly):
    """Weights of a detector's losses, learned, and a factor r for that of classification.

    Source: Sampling-Free (https://arxiv.org/abs/1909.04868), guided loss scaling; weights by
    https://arxiv.org/abs/1705.07115. With the cross entropy of all anchors,
    :func:`~sepc.methods.focal.focal_loss` of alpha -1 and gamma 0, it takes the place of focal
    loss::

        L_cls r / (2 s_cls^2)  +  sum_i L_i / (2 s_i^2)  +  sum log |s|,    r = mean_i L_i / L_cls

    All s start at 1. No gradient goes through r. It is measured at each call of the warm-up, as the
    mean over processes, and stays what it is at the last one. State dicts hold it and the number of
    calls, so that a resumed training goes on exactly.

    Unlike the official code: a call without a loss of either kind, such as that of a batch without
    objects, leaves r as it was, while there an r of 0 at the last call turns classification off for
    ever; a product of s below 0 has a logarithm; and r is the ratio of two means over processes,
    not the mean of their ratios, taken in the warm-up alone.

    Args:
        names: of the losses, that of classification first.
        warmup_iters: calls that measure r, 1 or more; with gradient accumulation each batch counts.

    Raises:
        ValueError: for fewer than two names, one twice, or a number out of its range.
    """

    iterations: Tensor
    ratio: Tensor

    def __init__(self, names: Sequence[str], *, warmup_iters: int = 100) -> None:
        super().__init__()
        names = list(names)
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"expected two or more different names of losses, got {names}")
        if warmup_iters < 1:
            raise ValueError(f"expected warmup_iters of 1 or more, got {warmup_iters}")
        self.names = names
        self.warmup_iters = warmup_iters
        # one for each loss, without weight decay in configs/common/models/sampling_free.py
        self.sigmas = nn.Parameter(torch.ones(len(names)))
        self.register_buffer("iterations", torch.zeros((), dtype=torch.long))
        self.register_buffer("ratio", torch.ones(()))

    def forward(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weigh the losses of a batch.

        Args:
            losses: scalars by name, the classification loss not yet times r.

        Returns:
            the weighted losses by the same names, and ``loss_log_scales``, which may be negative.

        Raises:
            ValueError: for losses of other names.
        """
        if set(losses) != set(self.names):
            raise ValueError(f"expected the losses {sorted(self.names)}, got {sorted(losses)}")
        values = torch.stack([losses[name] for name in self.names])
        if self.iterations < self.warmup_iters:
            self._measure(values.detach())
        scales = torch.cat([self.ratio.reshape(1), torch.ones_like(self.sigmas[1:])])
        weighted = values * scales / (2 * self.sigmas.square())
        return {
            **dict(zip(self.names, weighted, strict=True)),
            LOG_SCALES: self.sigmas.abs().log().sum(),
        }

    def _measure(self, values: Tensor) -> None:
        both = torch.stack([values[0], values[1:].mean()])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(both)  # sums do, as r is their ratio
        classification, others = both
        ratio = others / classification
        is_usable = ratio.isfinite() & (ratio > 0)
        self.ratio.copy_(torch.where(is_usable, ratio, self.ratio))
        self.iterations += 1
