"""Check of a pyramid where one comes in."""

from collections.abc import Sequence

import torch
from torch import Tensor

# torch 2.6 has only the wider question, which torch.compile answers with yes as well
_is_torch_export = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)


def is_exporting() -> bool:
    """Whether the model is being traced or exported, by any of torch's ways."""
    return torch.jit.is_tracing() or _is_torch_export() or torch.onnx.is_in_onnx_export()


def check_pyramid(
    features: Sequence[Tensor],
    *,
    channels: int | Sequence[int],
    num_levels: int | None = None,
) -> None:
    """Check a pyramid given from outside; nothing is checked while a model is being exported.

    Args:
        features: L tensors (N, C, Hl, Wl), fine to coarse.
        channels: the C that is expected at every level, or one for each of ``num_levels``.
        num_levels: the L that is expected; None takes any from one up.

    Raises:
        ValueError: names the level, what was expected and what came.
    """
    if is_exporting():
        return
    if isinstance(features, Tensor):
        raise ValueError(
            f"expected a list of levels, got one tensor of shape {tuple(features.shape)}"
        )
    if len(features) == 0 or (num_levels is not None and len(features) != num_levels):
        expected = "at least 1" if num_levels is None else str(num_levels)
        raise ValueError(f"expected {expected} pyramid level(s), got {len(features)}")
    for level, x in enumerate(features):
        expected_channels = channels if isinstance(channels, int) else channels[level]
        if x.dim() != 4 or x.shape[1] != expected_channels:
            raise ValueError(
                f"level {level}: expected shape (N, {expected_channels}, H, W), "
                f"got {tuple(x.shape)}"
            )
        if x.shape[0] != features[0].shape[0]:
            raise ValueError(
                f"level {level}: expected {features[0].shape[0]} image(s) as at level 0, "
                f"got {x.shape[0]}"
            )
        if level > 0:
            h, w = features[level - 1].shape[-2:]
            half = ((h + 1) // 2, (w + 1) // 2)
            if tuple(x.shape[-2:]) != half:
                raise ValueError(
                    f"level {level}: expected half the size of the finer level, rounded up: "
                    f"{half} after {(h, w)}, got {tuple(x.shape[-2:])}"
                )
