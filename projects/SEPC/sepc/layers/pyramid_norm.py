"""Pyramid normalization: one norm over the whole pyramid (integrated BN is its BN form)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from .integrated_bn import integrated_batch_norm

NormFactory = Callable[[int], nn.Module]

_BY_NAME: dict[str, NormFactory] = {
    "BN": nn.BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": partial(nn.GroupNorm, 32),
}


class PyramidNorm(nn.Module):
    """Apply one norm to all levels together.

    Source: SEPC, Sec 3.2 (integrated batch normalization, iBN), when ``norm`` is a
    :class:`torch.nn.BatchNorm2d`.

    Which statistics: every position of every level of every image of this process is one sample,
    all of equal weight. A level therefore weighs by its area: the finest has about three quarters
    of the samples of a pyramid whose levels halve. In training mode BN uses the statistics of the
    batch and keeps running ones (variance with the unbiased factor n / (n - 1) of all samples
    together); in eval mode it uses the running ones, like any BN. With a small batch the statistics
    are those of few images: the authors train with at least four images per GPU, and lose about
    0.3 AP with two. :class:`torch.nn.SyncBatchNorm` takes them over all processes, a frozen BN
    none, and a group norm those of one image and group of channels over its whole pyramid.

    The norm is a child named ``shared``, of its own ordinary class, so whatever converts, freezes
    or recalibrates norms in a model does so here too.

    Args:
        norm: a norm for (N, C, H, W), such as ``nn.BatchNorm2d(256)``.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.shared = norm

    def forward(self, features: Sequence[Tensor], *, relu: bool = False) -> list[Tensor]:
        """L tensors (N, C, Hl, Wl) -> L tensors of the same shapes, with ReLU if asked for.

        An empty batch (N = 0) passes through and leaves the running statistics as they are.
        """
        norm = self.shared
        if type(norm) is nn.BatchNorm2d and norm.training and not _has_hooks(norm):
            if features[0].shape[0] == 0:
                return _connect(features, norm)
            return integrated_batch_norm(norm, features, relu=relu)
        if _same_for_every_position(norm):
            normed = [norm(x) for x in features]
        else:
            normed = self._norm_of_concatenation(features)
        return [F.relu(x) for x in normed] if relu else normed

    def _norm_of_concatenation(self, features: Sequence[Tensor]) -> list[Tensor]:
        """For any norm: all levels side by side as one map (N, C, sum Hl*Wl, 1)."""
        sizes = [x.shape[-2] * x.shape[-1] for x in features]
        samples = torch.cat([x.flatten(2) for x in features], dim=2)
        normed = self.shared(samples.unsqueeze(-1)).squeeze(-1).split(sizes, dim=2)
        return [y.unflatten(2, x.shape[-2:]) for x, y in zip(features, normed, strict=True)]


def _same_for_every_position(norm: nn.Module) -> bool:
    """Whether the norm takes no statistics, so that it may be applied level by level."""
    if isinstance(norm, nn.modules.batchnorm._BatchNorm):
        return not norm.training and norm.track_running_stats
    return isinstance(norm, FrozenBatchNorm2d)


def _has_hooks(norm: nn.Module) -> bool:
    """Whether somebody watches the norm's input (as fvcore's precise BN does): show it all."""
    return bool(norm._forward_hooks or norm._forward_pre_hooks)


def _connect(features: Sequence[Tensor], norm: nn.Module) -> list[Tensor]:
    """Empty maps as they are, with the norm's parameters in the graph (their gradient is zero)."""
    nothing = sum((p.sum() * 0 for p in norm.parameters()), features[0].new_zeros(()))
    return [x + nothing for x in features]


def make_norm(norm: str | NormFactory | None, channels: int) -> nn.Module | None:
    """The norm that a name or a callable stands for.

    Args:
        norm: "BN", "SyncBN", "FrozenBN", "GN" (32 groups), a callable from channels to a module,
            or None or "" for none.
        channels: number of channels to normalize.

    Raises:
        ValueError: unknown name, which is given beside the known ones.
    """
    if norm is None or norm == "":
        return None
    if callable(norm):
        return norm(channels)
    if norm not in _BY_NAME:
        raise ValueError(
            f"unknown norm: expected one of {sorted(_BY_NAME)}, a callable or None, got {norm!r}"
        )
    return _BY_NAME[norm](channels)
