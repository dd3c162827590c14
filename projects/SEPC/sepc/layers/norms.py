"""Norms that can go over a pyramid, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from .fast.integrated_bn import integrated_batch_norm, moments, update_running_statistics

NormFactory = Callable[[int], nn.Module]


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization with the statistics of all processes together, on any device.

    Every process counts by its samples, so it equals BN of the whole batch in one process: forward,
    backward and running statistics, also where processes have different numbers or sizes of images,
    or none. :class:`torch.nn.SyncBatchNorm` does the same, on GPUs only.

    Args:
        process_group: the processes; None for all. Without any it is an ordinary BN.

    Other arguments mean the same as in :class:`torch.nn.BatchNorm2d`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: dist.ProcessGroup | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)
        if not bias:  # an argument of BatchNorm2d in the latest versions of torch alone
            self.register_parameter("bias", None)
        self.process_group = process_group

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, H, W); see :func:`~.integrated_bn.integrated_batch_norm`."""
        if self.training:
            return integrated_batch_norm(self, [input])[0]
        return super().forward(input)


class EstimatedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization by the running statistics, in training too: the batch only moves them.

    Source: https://arxiv.org/abs/1903.10520, "Micro-batch BCN": steps 1 to 5 of its algorithm. The
    statistics are those of many iterations, so a batch of one image is enough; they are constants
    for the backward pass.

    Unlike the paper: the variance is the unbiased one, as in torch's running statistics, so that
    whatever recalibrates a BN fits this one.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, H, W); an empty batch leaves the statistics as they are."""
        if not self.training:
            return super().forward(input)
        if self.running_mean is None or self.running_var is None:
            raise ValueError("expected running statistics, got track_running_stats=False")
        with torch.no_grad():
            update_running_statistics(self, *moments([input]))
        # copies: a second call may come before the backward pass of the first
        mean, var = self.running_mean.clone(), self.running_var.clone()
        return F.batch_norm(input, mean, var, self.weight, self.bias, False, 0.0, self.eps)


class BatchChannelNorm(nn.Module):
    """Batch-Channel Normalization for micro-batches: an estimated BN, then group norm.

    Source: https://arxiv.org/abs/1903.10520 ("Micro-batch BCN"). The group norm keeps activations
    in bounds while the estimates of the BN lag behind. Weight standardization belongs to it.

    Unlike the authors' code: scale and shift of the group norm are per channel, as in torch, and
    not per group; and the estimates move with BN's momentum of 0.1, not with a schedule.

    Args:
        num_channels: a multiple of ``num_groups``.
        num_groups: of the group norm; None for 32, or fewer of two channels each. A group of one
            channel would undo what the BN does.
    """

    def __init__(self, num_channels: int, num_groups: int | None = None) -> None:
        super().__init__()
        self.batch = EstimatedBatchNorm2d(num_channels)
        self.channel = _group_norm(num_channels, num_groups)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W)."""
        return self.channel(self.batch(x))


class InstanceBatchNorm(nn.Module):
    """Instance normalization of the first half of the channels, batch normalization of the rest.

    Source: IBN-Net (https://arxiv.org/abs/1807.09441), Sec 3.2, the layer of its block IBN-a. What
    the style of an image changes, such as contrast and color, goes from half of the channels; the
    other half keeps it. (iBN, one BN for all levels, is something else.)

    Args:
        num_channels: 2 or more; of an odd number the larger part has batch normalization.

    Raises:
        ValueError: fewer channels.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        if num_channels < 2:
            raise ValueError(f"expected num_channels of 2 or more, got {num_channels}")
        self.num_instance = num_channels // 2
        self.instance = nn.InstanceNorm2d(self.num_instance, affine=True)
        self.batch: nn.Module = nn.BatchNorm2d(num_channels - self.num_instance)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W), with the statistics in float32 at least."""
        dtype = x.dtype
        x = x.to(torch.promote_types(dtype, torch.float32))
        first, rest = x[:, : self.num_instance], x[:, self.num_instance :]
        return torch.cat([self.instance(first), self.batch(rest)], dim=1).to(dtype)


class LevelBatchNorm(nn.ModuleList):
    """A batch norm per level: each level has its own statistics, all share one scale and shift.

    What iBN is compared with. Source: https://arxiv.org/abs/2105.07576, Sec 5.2; Detectron2's
    ``CycleBatchNormList``, whose default also is one scale and shift: so it differs from iBN in the
    statistics alone, those of the batch and the running ones.

    A level of a single position (a 1 x 1 map of one image) has no variance, and is an error in
    training.

    Args:
        num_channels: of every level.
        num_levels: L.
    """

    def __init__(self, num_channels: int, num_levels: int) -> None:
        norms = [nn.BatchNorm2d(num_channels) for _ in range(num_levels)]
        for norm in norms[1:]:
            norm.weight, norm.bias = norms[0].weight, norms[0].bias
        super().__init__(norms)


def _group_norm(channels: int, groups: int | None = None) -> nn.GroupNorm:
    """32 groups, or fewer of two channels each: with one channel each it were instance norm."""
    return nn.GroupNorm(min(32, channels // 2) if groups is None else groups, channels)


NORMS: dict[str, NormFactory] = {
    "BN": nn.BatchNorm2d,
    "SyncBN": SyncBatchNorm2d,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": _group_norm,
    "BCN": BatchChannelNorm,
    "InstanceBN": InstanceBatchNorm,
}
LEVEL_BN = "LevelBN"


def make_norm(
    norm: str | NormFactory | None, channels: int, *, num_levels: int | None = None
) -> nn.Module | None:
    """Make the norm that a name or a callable stands for; see ``docs/norms.md`` for each.

    Args:
        norm: "BN", "SyncBN" (over all processes), "FrozenBN", "GN" (32 groups, but at least two
            channels in each), "BCN" (groups as "GN"), "InstanceBN" (half of the channels each),
            "LevelBN" (a BN per level), a callable from channels to a module, or None or "" for
            none. With :mod:`sepc.d2`, Detectron2's "naiveSyncBN" and "naiveSyncBN_N" as well.
        channels: number of channels to normalize.
        num_levels: L, for "LevelBN".

    Raises:
        ValueError: unknown name, which is given beside the known ones; no ``num_levels`` for
            "LevelBN".
    """
    if norm is None or norm == "":
        return None
    if callable(norm):
        return norm(channels)
    if norm == LEVEL_BN:
        if num_levels is None:
            raise ValueError(f"{LEVEL_BN} has statistics per level: expected num_levels, got None")
        return LevelBatchNorm(channels, num_levels)
    if norm not in NORMS:
        known = [*NORMS, LEVEL_BN]
        raise ValueError(f"unknown norm: expected one of {known}, a callable or None, got {norm!r}")
    return NORMS[norm](channels)
