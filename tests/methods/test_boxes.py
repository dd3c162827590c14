import math

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from sepc.methods.boxes import (
    MAX_LOG_SCALE,
    decode_deltas,
    decode_distances,
    encode_deltas,
    encode_distances,
    from_inclusive,
    paired_iou,
    to_inclusive,
)


def random_boxes(n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * 100
    return torch.cat([corner, corner + 1 + torch.rand(n, 2, generator=generator) * 60], dim=1)


def test_deltas_by_hand() -> None:
    """Anchor of 10 x 20 around (5, 10); box of 20 x 10 around (10, 5)."""
    anchor = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    box = torch.tensor([[0.0, 0.0, 20.0, 10.0]])
    expected = torch.tensor([[10 * 0.5, 10 * -0.25, 5 * math.log(2), -5 * math.log(2)]])
    torch.testing.assert_close(encode_deltas(anchor, box, (10, 10, 5, 5)), expected)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_decoding_inverts_encoding(weights: tuple[float, ...]) -> None:
    anchors, boxes = random_boxes(50, 1), random_boxes(50, 2)
    deltas = encode_deltas(anchors, boxes, weights)
    torch.testing.assert_close(decode_deltas(anchors, deltas, weights), boxes)
    points = anchors[:, :2]
    torch.testing.assert_close(decode_distances(points, encode_distances(points, boxes)), boxes)


def test_scales_are_clamped_on_both_sides() -> None:
    anchor = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    huge, small = decode_deltas(
        anchor.expand(2, 4), torch.tensor([[0.0, 0, 99, 99], [0, 0, -99, -99]]), (1, 1, 1, 1)
    )
    torch.testing.assert_close(huge, torch.tensor([-492.0, -492.0, 508.0, 508.0]))
    side = 16 * math.exp(-MAX_LOG_SCALE)
    torch.testing.assert_close((small[2:] - small[:2]), torch.full((2,), side), rtol=1e-4, atol=0)


def test_a_box_of_zero_area_has_finite_deltas() -> None:
    anchor = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    assert (
        encode_deltas(anchor, torch.tensor([[3.0, 3.0, 3.0, 3.0]]), (1, 1, 1, 1)).isfinite().all()
    )


def test_inclusive_boxes_are_those_with_the_far_corner_one_further_out() -> None:
    """Every formula of mmdetection 1.x with its +1 gives what ours gives after the conversion."""
    a, b = random_boxes(20, 1), random_boxes(20, 2)
    torch.testing.assert_close(to_inclusive(from_inclusive(a)), a)

    width_a, width_b = a[:, 2] - a[:, 0] + 1, b[:, 2] - b[:, 0] + 1
    dx = ((b[:, 0] + b[:, 2]) / 2 - (a[:, 0] + a[:, 2]) / 2) / width_a
    deltas = encode_deltas(from_inclusive(a), from_inclusive(b), (1, 1, 1, 1))
    torch.testing.assert_close(deltas[:, 0], dx)
    torch.testing.assert_close(deltas[:, 2], torch.log(width_b / width_a))

    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (high - low + 1).clamp(min=0).prod(dim=1)
    area_a, area_b = (a[:, 2:] - a[:, :2] + 1).prod(dim=1), (b[:, 2:] - b[:, :2] + 1).prod(dim=1)
    expected = overlap / (area_a + area_b - overlap)
    torch.testing.assert_close(paired_iou(from_inclusive(a), from_inclusive(b)), expected)


def test_paired_iou_is_the_diagonal_of_box_iou() -> None:
    a, b = random_boxes(50, 3), random_boxes(50, 4)
    torch.testing.assert_close(paired_iou(a, b), box_iou(a, b).diagonal())
    torch.testing.assert_close(paired_iou(a, a), torch.ones(50))


def test_paired_iou_of_empty_boxes_is_zero() -> None:
    empty = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert paired_iou(empty, empty).item() == 0


def test_decoding_has_right_gradients() -> None:
    anchors = random_boxes(3).double()
    deltas = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d: decode_deltas(anchors, d, (10, 10, 5, 5)), deltas)
