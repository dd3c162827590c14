"""Encoders of DN-FPN: every part is trained, and small maps and batches do."""

import pytest
import torch

from sepc.layers import DenoisingEncoders
from sepc.methods.denoising import geometric_loss, semantic_loss

WIDTHS = [6, 10, 14]


def maps(widths, batch=2):
    return [torch.randn(batch, c, h, h) for c, h in zip(widths, (5, 3, 1), strict=True)]


def test_all_parameters_learn():
    """Also the convolutions of the backbone's maps."""
    torch.manual_seed(0)
    encoders = DenoisingEncoders(WIDTHS, 8)
    found = encoders(maps(WIDTHS), maps([8] * 3))
    assert {tuple(x.shape) for x in found} == {(3, 2, 8)}
    loss = geometric_loss(found.geometric, found.lateral_geometric)
    loss = loss + semantic_loss(found.semantic, found.lateral_semantic)
    loss.backward()
    assert [name for name, p in encoders.named_parameters() if not p.grad.any()] == []
    assert {name for name in encoders.state_dict() if name.startswith("laterals")} == {
        f"laterals.{i}.{x}" for i in range(3) for x in ("weight", "bias")
    }


def test_image_by_itself_is_encoded_as_in_a_batch():
    encoders = DenoisingEncoders(WIDTHS, 8)
    backbone, pyramid = maps(WIDTHS), maps([8] * 3)
    batch = encoders(backbone, pyramid)
    alone = encoders([x[:1] for x in backbone], [x[:1] for x in pyramid])
    for of_batch, by_itself in zip(batch, alone, strict=True):
        torch.testing.assert_close(of_batch[:, :1], by_itself)


def test_other_number_of_levels():
    with pytest.raises(ValueError, match=r"expected 3 maps .* as many levels, got 3 and 2"):
        DenoisingEncoders(WIDTHS, 8)(maps(WIDTHS), maps([8] * 3)[:2])
