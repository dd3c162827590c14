"""Pre-training of a small backbone on crops of single shapes, a stand-in for ImageNet."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from detectron2.config import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn
from torchvision.ops import roi_align

from quickstart.coco_images import CocoImages
from sepc.data.progress import progress
from sepc.files import atomic_write


def pretrain_backbone(
    cfg: DictConfig,
    images: CocoImages,
    path: Path,
    *,
    iterations: int,
    batch: int = 32,
    crop: int = 64,
    seed: int = 0,
    lr: float = 1e-3,
) -> float:
    """Train ``cfg.model.backbone.bottom_up`` to classify crops of the objects; write its weights.

    The crops are the objects' boxes and half as much again around them, resized. AdamW along a
    cosine, as the detectors are trained. The file loads as ``train.init_checkpoint``.

    Args:
        cfg: LazyConfig of a detector with Detectron2's ``ResNet``.
        images: other ones than those that the detector is trained and tested on.
        path: to write.
        iterations: of ``batch`` images each, and all of their objects.
        crop: side in pixels.
        seed: of the weights and of the order.

    Returns:
        share of crops told right over the last tenth of the training.
    """
    torch.manual_seed(seed)
    bottom_up = cfg.model.backbone.bottom_up.copy()
    bottom_up.num_classes, bottom_up.out_features = len(images.class_names), ["res5", "linear"]
    model: nn.Module = instantiate(bottom_up).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05)
    mean = torch.tensor(list(cfg.model.pixel_mean)).view(-1, 1, 1)
    std = torch.tensor(list(cfg.model.pixel_std)).view(-1, 1, 1)
    reads_bgr = cfg.dataloader.train.mapper.image_format == "BGR"
    right = []
    for iteration in progress(
        range(iterations), total=iterations, description="pre-training", unit="step"
    ):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 + math.cos(math.pi * iteration / iterations)) / 2
        pixels, targets = images.batch(iteration, batch, seed)
        if reads_bgr:
            pixels = [x.flip(0) for x in pixels]
        x = (torch.stack(pixels) * 255 - mean) / std
        labels = torch.cat([target["labels"] for target in targets])
        crops = roi_align(x, [_with_margin(t["boxes"]) for t in targets], crop, aligned=True)
        logits = model(crops.contiguous(memory_format=torch.channels_last))["linear"]
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
        right.append((logits.argmax(dim=1) == labels).float().mean().item())
    weights = {
        f"backbone.bottom_up.{name}": value
        for name, value in model.state_dict().items()
        if not name.startswith("linear.")
    }
    with atomic_write(path) as partial:
        torch.save({"model": weights}, partial)
    last = right[-max(1, iterations // 10) :]
    return sum(last) / len(last)


def _with_margin(boxes: Tensor, margin: float = 0.25) -> Tensor:
    """Enlarge boxes (M, 4), x1 y1 x2 y2, by a share of their size on every side."""
    size = boxes[:, 2:] - boxes[:, :2]
    return torch.cat((boxes[:, :2] - margin * size, boxes[:, 2:] + margin * size), dim=1)
