"""How much each term of pyramid convolution gives to each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..layers import PyramidConv
from ..layers.pyramid_conv import convolve, upsample

TERMS = ("finer", "same", "coarser")


class TermNorms(NamedTuple):
    """L2 norms of the terms of one output level; 0 where the pyramid has no such neighbour."""

    finer: float
    same: float
    coarser: float

    def shares(self) -> TermNorms:
        """Each norm over their sum. All zero if nothing comes out."""
        total = sum(self)
        return TermNorms(*(norm / total if total else 0.0 for norm in self))


def terms_of_level(conv: PyramidConv, features: Sequence[Tensor], level: int) -> dict[str, Tensor]:
    """The terms whose sum is the output of one level (SEPC, Eq. 1), each with its own bias.

    Args:
        features: L maps (N, C, Hl, Wl).

    Returns:
        (N, C, Hl, Wl) by "finer", "same" and "coarser"; a term beyond the ends is left out.
    """
    x, finest = features[level], level == 0
    terms = {}
    if not finest:
        terms["finer"] = convolve(conv.from_finer, features[level - 1], plain=False)
    terms["same"] = convolve(conv.same, x, plain=finest)
    if level < len(features) - 1:
        coarser = convolve(conv.from_coarser, features[level + 1], plain=finest)
        terms["coarser"] = upsample(coarser, size=x.shape[-2:])
    return terms


@torch.no_grad()
def norms_of_terms(conv: PyramidConv, features: Sequence[Tensor]) -> list[TermNorms]:
    """The norms of the terms at each of the L levels."""
    norms = []
    for level in range(len(features)):
        terms = terms_of_level(conv, features, level)
        of = {name: float(term.float().norm()) for name, term in terms.items()}
        norms.append(TermNorms(*(of.get(name, 0.0) for name in TERMS)))
    return norms
