"""Batch normalization with the statistics of a whole pyramid, without putting it into one tensor.

With n_i samples, mean m_i and variance v_i in part i, all parts together have

    n = sum n_i,    m = sum n_i m_i / n,    v = sum n_i (v_i + (m_i - m)^2) / n

and every part is normalized by m and v. The parts are the levels of this process and, for a
synchronized norm, of all others: as many samples as each has, be it none. Equal to BN of the
concatenation of all of them, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from .recompute import attach_recipe


def integrated_batch_norm(
    bn: nn.BatchNorm2d | nn.SyncBatchNorm, features: Sequence[Tensor], *, relu: bool = False
) -> list[Tensor]:
    """Normalize a whole pyramid as ``bn`` does in training, and update its running statistics.

    Args:
        bn: its parameters, momentum and eps are used, and its buffers if it has some. If it has a
            ``process_group`` the statistics are those of all processes of the group (None: of all
            there are), which all have to call this, and backward, the same number of times.
        features: L tensors (N, C, Hl, Wl); N may differ between processes. Where there is no
            sample at all (N = 0 everywhere) the running statistics stay as they are.
        relu: apply ReLU to the result; it is made again for the backward pass, not kept.

    Returns:
        L tensors of the same shapes. Statistics are in float32 at least, whatever the precision of
        the maps.

    Raises:
        ValueError: the pyramid has a single position, which has no variance (not checked where the
            statistics are those of several processes).
    """
    group = processes_of(bn)
    count = sum(x.shape[0] * x.shape[2] * x.shape[3] for x in features)
    if count == 1 and group is None:
        raise ValueError(
            "expected more than one position in the pyramid to take a variance over when training, "
            f"got one: shapes {[tuple(x.shape) for x in features]}"
        )
    affine = (bn.weight, bn.bias, bn.eps, relu)
    *outputs, total, mean, var = _IntegratedBatchNorm.apply(group, *affine, *features)
    update_running_statistics(bn, total, mean, var)
    return [
        attach_recipe(y, partial(_normalize, x.detach(), mean, var, *affine))
        for x, y in zip(features, outputs, strict=True)
    ]


def processes_of(bn: nn.Module) -> dist.ProcessGroup | None:
    """Processes that share the statistics of ``bn``; None: this one has its own."""
    if not hasattr(bn, "process_group") or not dist.is_available() or not dist.is_initialized():
        return None
    group = dist.group.WORLD if bn.process_group is None else bn.process_group
    return group if dist.get_world_size(group) > 1 else None  # type: ignore[arg-type,return-value]


def moments(
    features: Sequence[Tensor], group: dist.ProcessGroup | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Number of samples (), mean (C,) and biased variance (C,) of a pyramid, of all processes."""
    table = torch.stack([_moments_of_level(x) for x in features])  # (L, 1 + 2C)
    if group is not None:
        tables = [torch.empty_like(table) for _ in range(dist.get_world_size(group))]
        dist.all_gather(tables, table, group=group)
        table = torch.cat(tables)
    channels = features[0].shape[1]
    counts, means, variances = table.split([1, channels, channels], dim=1)
    total = counts.sum()
    shares = counts / total.clamp(min=1)
    mean = (shares * means).sum(dim=0)
    return total, mean, (shares * (variances + (means - mean).square())).sum(dim=0)


@torch.no_grad()
def update_running_statistics(
    bn: nn.BatchNorm2d | nn.SyncBatchNorm, total: Tensor, mean: Tensor, var: Tensor
) -> None:
    """Update running statistics as torch's BN does, from :func:`moments`; not without a sample."""
    if bn.running_mean is None or bn.running_var is None or bn.num_batches_tracked is None:
        return
    any_sample = total.clamp(max=1)  # 0 or 1, without waiting for a GPU to say which
    bn.num_batches_tracked.add_(any_sample.to(bn.num_batches_tracked.dtype))
    batches = bn.num_batches_tracked.clamp(min=1).to(mean.dtype)
    factor = any_sample * (1 / batches if bn.momentum is None else bn.momentum)
    unbiased_var = var * (total / (total - 1).clamp(min=1))
    for running, new in ((bn.running_mean, mean), (bn.running_var, unbiased_var)):
        # rounded once, where they are in low precision
        running.copy_(torch.lerp(running.to(new.dtype), new, factor))


class _IntegratedBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        group: dist.ProcessGroup | None,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        relu: bool,
        *features: Tensor,
    ) -> tuple[Tensor, ...]:
        total, mean, var = moments(features, group)
        ctx.save_for_backward(weight, bias, total, mean, var, *features)
        ctx.group, ctx.eps, ctx.relu = group, eps, relu
        ctx.mark_non_differentiable(total, mean, var)
        ctx.set_materialize_grads(False)
        normed = (_normalize(x, mean, var, weight, bias, eps, relu) for x in features)
        return *normed, total, mean, var

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        weight, bias, total, mean, var, *features = ctx.saved_tensors
        inverse_std = (var + ctx.eps).rsqrt()
        levels = []
        for x, grad in zip(features, grads[:-3], strict=True):
            if grad is None:
                grad = torch.zeros_like(x)
            elif ctx.relu:
                grad = grad * (_normalize(x, mean, var, weight, bias, ctx.eps, False) > 0)
            levels.append((x, grad))
        # sums over the pyramid of grad and of grad * normalized x
        sums = torch.stack([_sums(grad, x, mean, var, ctx.eps) for x, grad in levels]).sum(dim=0)
        grad_bias, grad_weight = sums  # of this process: who trains in several adds them up
        if ctx.group is not None:
            sums = sums.clone()
            dist.all_reduce(sums, group=ctx.group)
        mean_grad, mean_product = sums / total.clamp(min=1)

        # d/dx = a * grad + b * x + c, with one a, b and c per channel
        a = inverse_std if weight is None else inverse_std * weight
        b = -a * inverse_std * mean_product
        c = -a * mean_grad - b * mean
        grad_features = [
            torch.addcmul(_affine(x, b, c), grad, a.to(grad.dtype).view(1, -1, 1, 1))
            for x, grad in levels
        ]
        grad_affine = [
            None if parameter is None else grad.to(parameter.dtype)
            for parameter, grad in ((weight, grad_weight), (bias, grad_bias))
        ]
        return None, *grad_affine, None, None, *grad_features


@torch.no_grad()
def _normalize(
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    relu: bool,
) -> Tensor:
    weight, bias = (None if p is None else p.to(mean.dtype) for p in (weight, bias))
    y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
    return y.relu_() if relu else y


def _moments_of_level(x: Tensor) -> Tensor:
    """Number of samples, their means and biased variances (1 + 2C,), in float32 at least."""
    count, channels = x.shape[0] * x.shape[2] * x.shape[3], x.shape[1]
    # BN's own kernel: on a CPU twenty times as fast as var_mean with channels last. The precision
    # of the results is that of the running statistics that it is given.
    unused = x.new_zeros(2, channels, dtype=torch.promote_types(x.dtype, torch.float32))
    if count == 0:
        return unused.new_zeros(1 + 2 * channels)
    mean, var = torch.ops.aten.batch_norm_update_stats(x, unused[0], unused[1], 0.0)
    return torch.cat([mean.new_full((1,), count), mean, var])


def _sums(grad: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """Sums (2, C) of the gradient, and of it times the normalized x."""
    if x.numel() == 0:
        return mean.new_zeros(2, len(mean))
    # the gradients of bias and weight of a BN in eval mode with these statistics
    _, product, total = torch.ops.aten.native_batch_norm_backward(
        grad, x, torch.ones_like(mean), mean, var, None, None, False, eps, [False, True, True]
    )
    return torch.stack([total, product])


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Compute scale * x + shift per channel, in one pass and at any precision of x."""
    zeros, ones = torch.zeros_like(scale), torch.ones_like(scale)
    return F.batch_norm(x, zeros, ones, scale, shift, False, 0.0, 0.0)
