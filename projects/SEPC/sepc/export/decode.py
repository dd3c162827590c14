"""From dense predictions to detections, with shapes that an exporter can follow.

Detectors drop scores below their threshold before anything else, so that every later shape depends
on the image, more than ``torch.export`` can follow. Here each level gives a fixed number of
candidates, and the threshold acts just before the suppression. The detections are the same: the
best scores above a threshold are those of the best scores that lie above it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import nms


def top_candidates(scores: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best scores of one level, over positions and classes together.

    Args:
        scores: (Hl * Wl * A, K).
        limit: number of candidates; all of them where there are fewer.

    Returns:
        scores, indices into the level's Hl * Wl * A anchors, and classes, each (limit,).
    """
    best, indices = scores.flatten().topk(min(limit, scores.numel()))
    num_classes = scores.shape[1]
    return best, indices // num_classes, indices % num_classes


def select_detections(
    boxes: Tensor,
    scores: Tensor,
    classes: Tensor,
    *,
    score_thresh: float,
    nms_thresh: float,
    max_detections: int,
) -> Tensor:
    """Non-maximum suppression within each class among the scores above a threshold.

    Args:
        boxes, scores, classes: (P, 4), (P,), (P,) of P candidates, one at least.

    Returns:
        indices of the detections, the highest score first, ``max_detections`` at most.
    """
    # classes are laid side by side, so that boxes of two of them never meet
    extent = (boxes.max() - boxes.min()).ceil() + 1
    apart = boxes + (classes.to(boxes) * extent)[:, None]
    candidates = torch.nonzero(scores > score_thresh).squeeze(1)
    kept = nms(apart[candidates], scores[candidates], nms_thresh)
    return candidates[kept][:max_detections]
