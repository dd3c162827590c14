"""Changes of size between the levels of a pyramid, in forms that an exporter can follow."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pyramid import is_exporting


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Upsample (N, C, H, W) to ``size`` (Ho, Wo), bilinearly, with cells aligned by their areas.

    Unlike pyramid convolution's, whose corners are aligned.
    """
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def pad_to_even(x: Tensor) -> Tensor:
    """Repeat the last row and the last column of (N, C, H, W) where their number is odd."""
    for dim in (-2, -1):
        size = x.shape[dim]
        if is_exporting() or size % 2:
            source = torch.arange((size + 1) // 2 * 2, device=x.device)
            x = x.index_select(dim, source.clamp(max=size - 1))
    return x


def halve(x: Tensor) -> Tensor:
    """Pool (N, C, H, W) to half its size, rounded up, by the maximum of 2 x 2 cells."""
    return F.max_pool2d(pad_to_even(x), 2)


def adaptive_max_pool(x: Tensor, size: Sequence[int], *, ratio: int) -> Tensor:
    """Adaptive max pooling, (N, C, H, W) to (N, C, Ho, Wo).

    Output i is the maximum of the inputs floor(i H / Ho) to ceil((i + 1) H / Ho) - 1; windows
    overlap where H is no multiple of Ho. ONNX has no such operator for sizes known only at run
    time: exported, each window is gathered, its last cell repeated up to ``ratio + 1`` cells.

    Args:
        size: Ho and Wo, of at least H / ratio and W / ratio.
        ratio: how many times smaller the output may be.
    """
    if ratio == 1:
        return x
    if not is_exporting():
        return F.adaptive_max_pool2d(x, tuple(size))
    for dim, length in zip((2, 3), size, strict=True):
        cells = x.shape[dim]
        output = torch.arange(length, device=x.device)
        first = output * cells // length
        last = ((output + 1) * cells + length - 1) // length - 1
        for_each = torch.arange(ratio + 1, device=x.device)
        window = torch.minimum(first[:, None] + for_each, last[:, None])
        gathered = x.index_select(dim, window.flatten())
        x = gathered.unflatten(dim, (-1, ratio + 1)).amax(dim + 1)
    return x
