import torch

from sepc.methods.anchors import cells_on_image, grid_anchors, legacy_cell_anchors


def test_legacy_anchors_by_hand() -> None:
    """Stride 8: the center is 3.5; a side of 32 pixels, the last counted in, is -12 to 19."""
    (square,) = legacy_cell_anchors(8, [4], [1.0])
    assert square.tolist() == [-12, -12, 20, 20]
    # ratio 4 = height over width: 16 x 64
    (tall,) = legacy_cell_anchors(8, [4], [4.0])
    assert tall.tolist() == [-4, -28, 12, 36]


def test_legacy_corners_are_rounded_half_to_even() -> None:
    """Stride 8, side 9: the corners 3.5 -+ 4 are -0.5 and 7.5, so 0 and 8; the far one is 9."""
    (anchor,) = legacy_cell_anchors(8, [9 / 8], [1.0])
    assert anchor.tolist() == [0, 0, 9, 9]


def test_the_scale_runs_fastest() -> None:
    anchors = legacy_cell_anchors(16, [1, 2], [0.5, 1.0])
    sizes = anchors[:, 2:] - anchors[:, :2]
    assert len(anchors) == 4
    assert sizes[2].tolist() == [16, 16] and sizes[3].tolist() == [32, 32]


def test_the_grid_is_row_by_row_with_the_anchors_of_a_cell_together() -> None:
    cell = torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 2.0, 2.0]])
    grid = grid_anchors(cell, (2, 3), 10)
    assert grid.shape == (12, 4)
    torch.testing.assert_close(grid[:2], cell)
    torch.testing.assert_close(grid[2], cell[0] + torch.tensor([10.0, 0.0, 10.0, 0.0]))
    torch.testing.assert_close(grid[7], cell[1] + torch.tensor([0.0, 10.0, 0.0, 10.0]))


def test_cells_that_begin_on_the_image() -> None:
    on_image = cells_on_image((3, 4), 16, (32, 33), device=torch.device("cpu")).view(3, 4)
    assert on_image.tolist() == [[True] * 3 + [False]] * 2 + [[False] * 4]
