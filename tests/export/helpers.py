"""Untrained detectors that find something, and images for trained ones."""

import torch
from torch import Tensor, nn


def stir(trunk: nn.Module) -> None:
    """Weights of a usual size, and offsets that move the taps."""
    for name, parameter in trunk.named_parameters():
        if "offset" in name:
            nn.init.normal_(parameter, std=0.05)
        elif name.endswith("weight") and parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter)


def spread(conv: nn.Conv2d, outputs: Tensor, *, std: float, bias: float) -> None:
    """Scale a predictor so that its outputs differ by about ``std`` around ``bias``."""
    with torch.no_grad():
        conv.weight *= std / outputs.std()
        conv.bias.fill_(bias)


def cuts(mosaic: Tensor) -> list[Tensor]:
    """Images of several sizes; the first has two cells at the coarsest level."""
    return [mosaic[:, :136, :170], mosaic[:, :64, 64:128], mosaic[:, 20:119, 30:105]]
