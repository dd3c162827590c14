"""Detections from dense predictions, with shapes that an exporter can follow.

Detectors drop scores below their threshold before anything else, so that every later shape depends
on the image, more than ``torch.export`` can follow. Here each level gives a number of candidates
that follows from its size, and the threshold acts just before the suppression. The detections are
the same: the best scores above a threshold are those of the best scores that lie above it.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms


def top_candidates(scores: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Best scores of one level, over positions and classes together.

    Args:
        scores: (..., Hl * Wl * A, K).
        limit: number of candidates; all of them where there are fewer.

    Returns:
        scores, indices into the level's Hl * Wl * A anchors, and classes, each (..., limit).
    """
    flat = scores.flatten(-2)
    best, indices = flat.topk(at_most(flat.shape[-1], limit))
    num_classes = scores.shape[-1]
    return best, indices // num_classes, indices % num_classes


def at_most(size: Any, limit: int) -> Any:
    """Smaller one of a size and a limit; while one traces, a size is a tensor."""
    if isinstance(size, Tensor):
        return torch.clamp(size, max=limit)
    return torch.sym_min(size, limit)


def select_detections(
    boxes: Tensor,
    scores: Tensor,
    classes: Tensor,
    *,
    num_classes: int,
    score_thresh: float,
    nms_thresh: float,
    max_detections: int,
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within each image and class among the scores above a threshold.

    Images and classes are laid apart on a square grid: the closer to the origin, the more exact are
    the overlaps.

    Args:
        boxes, scores, classes: (N, P, 4), (N, P), (N, P) of P candidates of each image.
        num_classes: K.
        max_detections: of each image.

    Returns:
        indices of the images and of their candidates; the highest score of all images first.
    """
    num_images, num_candidates = scores.shape
    own = torch.arange(num_images, device=boxes.device)
    groups = (own[:, None] * num_classes + classes).flatten()
    boxes, scores = boxes.flatten(0, 1), scores.flatten()
    counts = scores > score_thresh
    used = torch.where(counts[:, None], boxes, 0)
    extent = (used.max() - used.min()).ceil() + 1
    columns = (groups.max() + 1).to(boxes.dtype).sqrt().ceil()
    row = torch.floor(groups / columns)
    place = torch.stack((groups - row * columns, row), dim=1) * extent
    candidates = torch.nonzero(counts).squeeze(1)
    apart = (boxes + torch.cat((place, place), dim=1))[candidates]
    kept = candidates[nms(apart, scores[candidates], nms_thresh)]

    images = kept // num_candidates
    is_own = (images[:, None] == own).long()  # numbers: OpenVINO counts truths no further than 1
    rank = (is_own.cumsum(dim=0) * is_own).sum(dim=1)  # from 1 within each image
    first = torch.nonzero(rank <= max_detections).squeeze(1)
    return images[first], (kept - images * num_candidates)[first]
