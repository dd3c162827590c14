import numpy as np
import pytest

from quickstart.data.shapes import SHAPES, outline, rasterize


@pytest.mark.parametrize("shape", SHAPES)
def test_outline_is_centered_and_has_side_one(shape):
    contour = outline(shape, aspect=1.3, angle=0.4)[0]
    lower, upper = contour.min(axis=0), contour.max(axis=0)
    np.testing.assert_allclose(lower + upper, 0, atol=1e-12)
    np.testing.assert_allclose((upper - lower).max(), 1)


def test_unknown_shape():
    with pytest.raises(ValueError, match=r"expected a shape among circle, .*got 'blob'"):
        outline("blob")


def test_square_with_an_aspect_stays_a_rectangle():
    contour = outline("square", aspect=0.5, angle=0.7)[0]
    edges = np.roll(contour, -1, axis=0) - contour
    np.testing.assert_allclose((edges * np.roll(edges, 1, axis=0)).sum(axis=1), 0, atol=1e-12)
    lengths = np.sort(np.linalg.norm(edges, axis=1))
    np.testing.assert_allclose(lengths[3] / lengths[0], 2)


def test_coverage_of_a_rectangle_on_pixel_edges_is_exact():
    contour = np.array([[3.0, -2.0], [9.0, -2.0], [9.0, 5.0], [3.0, 5.0]])
    coverage, top, left = rasterize([contour])
    assert (top, left) == (-2, 3) and coverage.shape == (7, 6)
    assert coverage.min() == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_adds_up_to_the_area(shape):
    contours = [40 * points + 30.3 for points in outline(shape, angle=0.3)]
    area = 0.0
    for sign, points in zip([1, -1], contours, strict=False):
        x, y = points.T
        area += sign * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    coverage, _, _ = rasterize(contours)
    assert coverage.sum() == pytest.approx(area, rel=0.05)
