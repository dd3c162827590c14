"""Batch normalization with the statistics of a whole pyramid, without putting it into one tensor.

With n_l samples, mean m_l and variance v_l at level l, the pyramid has

    n = sum n_l,    m = sum n_l m_l / n,    v = sum n_l (v_l + (m_l - m)^2) / n

and every level is normalized by m and v. Equal to BN of the concatenation, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .recompute import mark


def integrated_batch_norm(
    bn: nn.BatchNorm2d, features: Sequence[Tensor], *, relu: bool = False
) -> list[Tensor]:
    """What ``bn`` in training mode makes of the whole pyramid; its running statistics are updated.

    Args:
        bn: its parameters, momentum and eps are used, and its buffers if it has some.
        features: L tensors (N, C, Hl, Wl).
        relu: apply ReLU to the result; it is made again for the backward pass, not kept.

    Returns:
        L tensors of the same shapes. Statistics are in float32 at least, whatever the precision of
        the maps.

    Raises:
        ValueError: the pyramid has a single position, which has no variance.
    """
    count = sum(x.shape[0] * x.shape[2] * x.shape[3] for x in features)
    if count == 1:
        raise ValueError(
            "expected more than one position in the pyramid to take a variance over when training, "
            f"got one: shapes {[tuple(x.shape) for x in features]}"
        )
    affine = (bn.weight, bn.bias, bn.eps, relu)
    *outputs, mean, var = _IntegratedBatchNorm.apply(*affine, *features)
    _update_running_statistics(bn, mean, var * (count / (count - 1)))
    return [
        mark(y, partial(_normalize, x.detach(), mean, var, *affine))
        for x, y in zip(features, outputs, strict=True)
    ]


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
    y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)
    return y.relu_() if relu else y


class _IntegratedBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        relu: bool,
        *features: Tensor,
    ) -> tuple[Tensor, ...]:
        counts = [x.shape[0] * x.shape[2] * x.shape[3] for x in features]
        means, variances = zip(*(_mean_and_variance(x) for x in features), strict=True)
        shares = means[0].new_tensor(counts).div_(sum(counts)).unsqueeze(1)  # (L, 1)
        mean = (torch.stack(means) * shares).sum(dim=0)
        spread = torch.stack(variances) + (torch.stack(means) - mean).square()
        var = (spread * shares).sum(dim=0)

        ctx.save_for_backward(weight, bias, mean, var, *features)
        ctx.eps, ctx.relu, ctx.count = eps, relu, sum(counts)
        ctx.mark_non_differentiable(mean, var)
        ctx.set_materialize_grads(False)
        normed = (_normalize(x, mean, var, weight, bias, eps, relu) for x in features)
        return *normed, mean, var

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        weight, bias, mean, var, *features = ctx.saved_tensors
        inverse_std = (var + ctx.eps).rsqrt()
        levels = []
        for x, grad in zip(features, grads[:-2], strict=True):
            if grad is None:
                grad = torch.zeros_like(x)
            elif ctx.relu:
                grad = grad * (_normalize(x, mean, var, weight, bias, ctx.eps, False) > 0)
            levels.append((x, grad))
        # sums over the pyramid of grad and of grad * normalized x
        sums = [_sums(grad, x, mean, var, ctx.eps) for x, grad in levels]
        sum_grad = torch.stack([s for s, _ in sums]).sum(dim=0)
        sum_product = torch.stack([p for _, p in sums]).sum(dim=0)

        # d/dx = a * grad + b * x + c, with one a, b and c per channel
        a = inverse_std if weight is None else inverse_std * weight
        b = -a * inverse_std * sum_product / ctx.count
        c = -a * sum_grad / ctx.count - b * mean
        grad_features = [
            torch.addcmul(_affine(x, b, c), grad, a.to(grad.dtype).view(1, -1, 1, 1))
            for x, grad in levels
        ]
        if weight is None:
            return None, None, None, None, *grad_features
        return sum_product.to(weight.dtype), sum_grad.to(weight.dtype), None, None, *grad_features


def _mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """(C,) each, over images and positions, biased, in float32 at least."""
    # BN's own kernel: on a CPU twenty times as fast as var_mean with channels last. The precision
    # of the results is that of the running statistics that it is given.
    unused = x.new_zeros(2, x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
    return torch.ops.aten.batch_norm_update_stats(x, unused[0], unused[1], 0.0)


def _sums(grad: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(C,) each: sums of the gradient, and of it times the normalized x."""
    # the gradients of bias and weight of a BN in eval mode with these statistics
    _, product, total = torch.ops.aten.native_batch_norm_backward(
        grad, x, torch.ones_like(mean), mean, var, None, None, False, eps, [False, True, True]
    )
    return total, product


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """scale * x + shift per channel, in one pass and at any precision of x."""
    zeros, ones = torch.zeros_like(scale), torch.ones_like(scale)
    return F.batch_norm(x, zeros, ones, scale, shift, False, 0.0, 0.0)


@torch.no_grad()
def _update_running_statistics(bn: nn.BatchNorm2d, mean: Tensor, unbiased_var: Tensor) -> None:
    if bn.running_mean is None or bn.running_var is None or bn.num_batches_tracked is None:
        return
    bn.num_batches_tracked.add_(1)
    factor = 1.0 / float(bn.num_batches_tracked) if bn.momentum is None else bn.momentum
    bn.running_mean.lerp_(mean.to(bn.running_mean.dtype), factor)
    bn.running_var.lerp_(unbiased_var.to(bn.running_var.dtype), factor)
