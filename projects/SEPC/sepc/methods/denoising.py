"""Contrastive losses of DN-FPN (https://arxiv.org/abs/2406.05755), Sec III.

The levels of a pyramid are to keep the geometry of the map that they were made from, and to share
their meaning with the next coarser level. Other images are what they are told apart from, so a
batch of one image has nothing to learn: its losses are zero.

Both are means over the levels and images that ask, where the official code adds them up: the
weight means the same whatever the batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import upcast


def geometric_loss(encodings: Tensor, lateral: Tensor, *, temperature: float = 0.5) -> Tensor:
    """Each level is told to be like the map that it was made from.

    Told apart from it are all other levels of all other images, before FPN and after it. As in the
    official code other levels of the same image, and the same level of other images, are neither.

    Args:
        encodings: (L, N, D), of the levels.
        lateral: (L, N, D), of the maps that they were made from.
        temperature: of the cosine similarities.

    Returns:
        the mean over the L * N levels, a scalar.
    """
    queries, laterals = _normalized(encodings), _normalized(lateral)
    same_level, same_image = _masks(encodings)
    positive = (queries * laterals).sum(dim=1)
    negatives = ~(same_level | same_image)
    return _info_nce(queries, positive, torch.cat([queries, laterals]), negatives, temperature)


def semantic_loss(encodings: Tensor, lateral: Tensor, *, temperature: float = 0.5) -> Tensor:
    """Each level but the coarsest is told to be like the next coarser one of its image.

    Told apart from it are all levels of all other images, before FPN and after it.

    Args:
        encodings, lateral, temperature: see :func:`geometric_loss`.

    Returns:
        the mean over the (L - 1) * N levels, a scalar.
    """
    queries, laterals = _normalized(encodings), _normalized(lateral)
    _, same_image = _masks(encodings)
    images = encodings.shape[1]
    finer = queries[: len(queries) - images]
    positive = (finer * queries[images:]).sum(dim=1)
    negatives = ~same_image[: len(finer)]
    return _info_nce(finer, positive, torch.cat([queries, laterals]), negatives, temperature)


def _normalized(encodings: Tensor) -> Tensor:
    """(L, N, D) -> (L * N, D) of length 1, in full precision; near zero with bounded gradients."""
    return F.normalize(upcast(encodings).flatten(0, 1), dim=1, eps=1e-4)


def _masks(encodings: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the L * N encodings are of the same level, and which of the same image."""
    levels, images = encodings.shape[:2]
    index = torch.arange(levels * images, device=encodings.device)
    level, image = index // max(images, 1), index % max(images, 1)
    return level[:, None] == level, image[:, None] == image


def _info_nce(
    queries: Tensor, positive: Tensor, others: Tensor, negatives: Tensor, temperature: float
) -> Tensor:
    """Mean of -log(positive / (positive + negatives)), of exponentials of similarities.

    Args:
        queries: (Q, D), of length 1.
        positive: (Q,), the similarity of each to what it is to be like.
        others: (2 * E, D), of length 1: what ``negatives`` (Q, E) chooses from, twice.
    """
    similarity = (queries @ others.T).masked_fill(~negatives.repeat(1, 2), -torch.inf)
    logits = torch.cat([positive.unsqueeze(1), similarity], dim=1) / temperature
    return -logits.log_softmax(dim=1)[:, 0].sum() / max(len(queries), 1)
