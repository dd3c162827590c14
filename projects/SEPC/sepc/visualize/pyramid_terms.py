"""Norms of the terms of pyramid convolution: how much each gives to each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..layers import PyramidConv
from ..layers.pyramid_conv import upsample


class TermNorms(NamedTuple):
    """L2 norms of the three terms of one output level; 0 where the pyramid has no such neighbor."""

    finer: float
    same: float
    coarser: float

    def shares(self) -> TermNorms:
        """Each norm over their sum. All zero if nothing comes out."""
        total = sum(self)
        return TermNorms(*(norm / total if total else 0.0 for norm in self))


def terms_of_levels(conv: PyramidConv, features: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """Compute the terms whose sum is each level's output (SEPC, Eq. 1), each with its own bias.

    Args:
        features: L maps (N, C, Hl, Wl).

    Returns:
        per level (N, C, Hl, Wl) by "finer", "same" and "coarser"; a term beyond the ends of the
        pyramid is left out.
    """
    same, from_finer, from_coarser = conv.kernels()
    terms = [{"same": term} for term in same(features)]
    for level, term in enumerate(from_finer(features[:-1]), start=1):
        terms[level]["finer"] = term
    for level, term in enumerate(from_coarser(features[1:])):
        terms[level]["coarser"] = upsample(term, size=features[level].shape[-2:])
    return terms


@torch.no_grad()
def norms_of_terms(conv: PyramidConv, features: Sequence[Tensor]) -> list[TermNorms]:
    """Compute the norms of the terms at each of the L levels."""
    norms = []
    for terms in terms_of_levels(conv, features):
        of = {name: float(term.float().norm()) for name, term in terms.items()}
        norms.append(TermNorms(*(of.get(name, 0.0) for name in TermNorms._fields)))
    return norms
