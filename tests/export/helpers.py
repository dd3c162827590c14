"""Untrained detectors that find something, and images for trained ones."""

from pathlib import Path

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


def noise(*sizes: tuple[int, int]) -> list[Tensor]:
    """Images of noise, (3, H, W) uint8."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(256, (3, *s), dtype=torch.uint8, generator=generator) for s in sizes]


def untrained_retinanet(folder: Path) -> nn.Module:
    """Detectron2's RetinaNet with the head ``sepc``, which finds something in anything."""
    from detectron2.config import instantiate

    from ..d2.helpers import tiny_config

    torch.manual_seed(0)
    model = instantiate(tiny_config(folder, "sepc", **{"+model.head.trunk.num_stages": 1}).model)
    head = model.eval().head
    stir(head.trunk)
    with torch.no_grad():
        features = model.backbone(torch.randn(1, 3, 128, 128))
        logits, deltas = head([features[name] for name in model.head_in_features])
    spread(head.cls_score, torch.cat([x.flatten() for x in logits]), std=0.7, bias=-3.0)
    spread(head.bbox_pred, torch.cat([x.flatten() for x in deltas]), std=0.2, bias=0.0)
    return model
