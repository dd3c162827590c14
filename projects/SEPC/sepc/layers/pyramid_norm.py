"""Pyramid normalization: one norm over the whole pyramid (integrated BN is its BN form)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from .fast.integrated_bn import integrated_batch_norm
from .norms import LevelBatchNorm, SyncBatchNorm2d

_INTEGRATED = (nn.BatchNorm2d, nn.SyncBatchNorm, SyncBatchNorm2d)
_FREEZE = (None, "statistics", "all")


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
    0.3 AP with two. A synchronized BN takes them over all processes, a frozen BN none, a group norm
    those of one image and group of channels over its whole pyramid, and a
    :class:`~.norms.LevelBatchNorm` those of each level.

    The norm is a child named ``shared``, of its own ordinary class, so whatever converts, freezes
    or recalibrates norms in a model does so here too.

    Args:
        norm: a norm for (N, C, H, W), such as ``nn.BatchNorm2d(256)``, or a ``LevelBatchNorm``.
        freeze: "statistics" keeps the norm in eval mode, so that a BN normalizes by its running
            statistics and does not change them; "all" takes scale and shift out of training, too.

    Raises:
        ValueError: another ``freeze``.
    """

    def __init__(self, norm: nn.Module, *, freeze: str | None = None) -> None:
        super().__init__()
        if freeze not in _FREEZE:
            raise ValueError(f"freeze: expected one of {_FREEZE}, got {freeze!r}")
        self.shared = norm
        self.freeze = freeze
        if freeze is not None:
            norm.eval()
        if freeze == "all":
            norm.requires_grad_(False)

    def train(self, mode: bool = True) -> PyramidNorm:
        """Set the mode, as of any module, but a frozen norm stays in eval mode."""
        super().train(mode)
        if self.freeze is not None:
            self.shared.eval()
        return self

    def forward(self, features: Sequence[Tensor], *, relu: bool = False) -> list[Tensor]:
        """Normalize L maps (N, C, Hl, Wl) together, and apply ReLU if asked for.

        An empty batch (N = 0) passes through and leaves the running statistics as they are.

        Raises:
            ValueError: another number of levels than a ``LevelBatchNorm`` has.
        """
        if not isinstance(self.shared, LevelBatchNorm):
            return _normalize(self.shared, features, relu=relu)
        if len(self.shared) != len(features):
            raise ValueError(f"expected {len(self.shared)} pyramid level(s), got {len(features)}")
        levels = zip(self.shared, features, strict=True)
        return [y for norm, x in levels for y in _normalize(norm, [x], relu=relu)]


def _normalize(norm: nn.Module, features: Sequence[Tensor], *, relu: bool) -> list[Tensor]:
    """Apply one norm over some maps together."""
    if type(norm) in _INTEGRATED and norm.training and not _has_hooks(norm):
        return integrated_batch_norm(norm, features, relu=relu)  # type: ignore[arg-type]
    if _same_for_every_position(norm):
        normed = [norm(x) for x in features]
    else:
        normed = _norm_of_concatenation(norm, features)
    return [F.relu(x) for x in normed] if relu else normed


def _norm_of_concatenation(norm: nn.Module, features: Sequence[Tensor]) -> list[Tensor]:
    """Apply any norm to all levels side by side, as one map (N, C, sum Hl*Wl, 1)."""
    sizes = [x.shape[-2] * x.shape[-1] for x in features]
    samples = torch.cat([x.flatten(2) for x in features], dim=2)
    normed = norm(samples.unsqueeze(-1)).squeeze(-1).split(sizes, dim=2)
    return [y.unflatten(2, x.shape[-2:]) for x, y in zip(features, normed, strict=True)]


def _same_for_every_position(norm: nn.Module) -> bool:
    """Whether the norm takes no statistics, so that it may be applied level by level."""
    if isinstance(norm, nn.modules.batchnorm._BatchNorm):
        return not norm.training and norm.track_running_stats
    return isinstance(norm, FrozenBatchNorm2d)


def _has_hooks(norm: nn.Module) -> bool:
    """Whether hooks watch the norm's input (as fvcore's precise BN does), and want all of it."""
    return bool(norm._forward_hooks or norm._forward_pre_hooks)
