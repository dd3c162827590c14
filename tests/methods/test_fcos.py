"""FCOS's assignment on boxes whose points can be counted by hand."""

import pytest
import torch

from sepc.methods.anchors import grid_anchors
from sepc.methods.boxes import centers
from sepc.methods.fcos import fcos_assign

STRIDES, CELLS = [4, 8], [8, 4]  # of an image of 32 pixels


def assign(boxes, **options):
    """Assignment of both levels as maps."""
    levels = [
        centers(grid_anchors(torch.tensor([[0.0, 0, s, s]]), (n, n), s))
        for s, n in zip(STRIDES, CELLS, strict=True)
    ]
    gt = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    flat = fcos_assign(torch.cat(levels), gt, [64, 16], STRIDES, **options)
    fine, coarse = flat.split([64, 16])
    return fine.view(8, 8), coarse.view(4, 4)


def test_center_radius_counts_strides():
    fine, coarse = assign([[0, 0, 32, 32]], center_radius=1.0)
    assert (fine == 0).nonzero().tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]]
    assert (coarse == -1).all()
    fine, _ = assign([[0, 0, 32, 32]], center_radius=2.0)
    assert (fine == 0).sum() == 16


def test_levels_share_the_distances():
    # the farthest side of any point of the box is 16 to 32 pixels away
    box = [[0, 0, 32, 32]]
    for max_distance, level in ((8.0, 0), (4.0, 1)):
        maps = assign(box, max_distance=max_distance, center_radius=100)
        counts = [(x == 0).sum().item() for x in maps]
        assert counts[level] == [64, 16][level] and counts[1 - level] == 0
    # a box of 16 pixels lies between: its middle is the finer level's, its rim the coarser one's
    fine, coarse = assign([[8, 8, 24, 24]], max_distance=2.75, center_radius=100)
    assert (fine == 0).nonzero().tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]]
    assert (coarse == 0).nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


@pytest.mark.parametrize("order", [1, -1])
def test_the_smallest_box_wins(order):
    boxes = [[0, 0, 32, 32], [12, 12, 20, 20]][::order]
    fine, _ = assign(boxes, center_radius=100)
    small = 1 if order == 1 else 0
    assert (fine == small).nonzero().tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]]
    assert (fine == 1 - small).sum() == 60


def test_without_boxes():
    assert all((x == -1).all() for x in assign([]))
