"""DN-FPN's losses against the loops over levels and images that define them."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from sepc.methods.denoising import geometric_loss, semantic_loss


def encodings(levels=3, images=3, dim=5):
    torch.manual_seed(0)
    return (torch.randn(levels, images, dim, dtype=torch.float64) for _ in range(2))


def plain_loss(own, lateral, *, semantic, temperature=0.5):
    levels, images, _ = own.shape
    losses = []
    for i in range(levels - 1 if semantic else levels):
        for j in range(images):

            def similarity(other, query=own[i, j]):
                return math.exp(cosine_similarity(query, other, dim=0) / temperature)

            positive = similarity(own[i + 1, j] if semantic else lateral[i, j])
            negative = sum(
                similarity(maps[k, n])
                for maps in (own, lateral)
                for k in range(levels)
                for n in range(images)
                if n != j and (semantic or k != i)
            )
            losses.append(-math.log(positive / (positive + negative)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_are_the_plain_loops(temperature):
    own, lateral = encodings()
    for loss, semantic in ((geometric_loss, False), (semantic_loss, True)):
        expected = plain_loss(own, lateral, semantic=semantic, temperature=temperature)
        actual = loss(own, lateral, temperature=temperature)
        assert actual.item() == pytest.approx(expected, rel=1e-9)


def test_what_each_draws_together():
    own, lateral = encodings()
    assert geometric_loss(own, own) < geometric_loss(own, lateral)
    alike = own[:1].expand(3, -1, -1)
    assert semantic_loss(alike, lateral) < semantic_loss(own, lateral)


@pytest.mark.parametrize("shape", [(3, 1, 5), (1, 1, 5), (3, 0, 5)], ids=str)
def test_nothing_to_tell_apart_is_a_loss_of_zero(shape):
    own = torch.randn(shape, requires_grad=True)
    total = geometric_loss(own, own.detach() + 1) + semantic_loss(own, own.detach())
    total.backward()
    assert total == 0 and not own.grad.any()


def test_finite_in_half_precision_and_for_vectors_of_zero():
    own = torch.zeros(3, 2, 5, dtype=torch.float16, requires_grad=True)
    large = torch.full((3, 2, 5), 6e4, dtype=torch.float16)
    total = geometric_loss(own, large) + semantic_loss(own, large)
    total.backward()
    assert total.dtype == torch.float32 and total.isfinite() and own.grad.isfinite().all()
