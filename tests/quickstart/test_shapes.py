import numpy as np
import pytest

from quickstart.data.shapes import OUTLINES, SHAPES, class_contours, contours, rasterize


@pytest.mark.parametrize("outline", OUTLINES)
def test_outline_is_centered_and_has_side_one(outline):
    points = contours(outline, None, aspect=1.3, angle=0.4).outline
    lower, upper = points.min(axis=0), points.max(axis=0)
    np.testing.assert_allclose(lower + upper, 0, atol=1e-12)
    np.testing.assert_allclose((upper - lower).max(), 1)


@pytest.mark.parametrize("label", range(len(SHAPES)))
def test_marks_lie_within_their_outline(label):
    shape = class_contours(label, aspect=0.7, angle=-0.5).placed(200, np.array([150.0, 150.0]))
    whole = np.zeros((300, 300), np.float32)
    for part, sign in ((shape.mark, -1), ([shape.outline], 1)):
        coverage, top, left = rasterize(part)
        area = whole[top : top + coverage.shape[0], left : left + coverage.shape[1]]
        area += sign * coverage
    assert whole.min() > -0.05
    assert (whole > 0.5).sum() > 100


def test_unknown_names():
    with pytest.raises(ValueError, match=r"expected an outline among circle, .*got 'blob'"):
        contours("blob", "dot")
    with pytest.raises(ValueError, match=r"expected a mark among dot, ring, bar, got 'cross'"):
        contours("circle", "cross")


def test_square_with_an_aspect_stays_a_rectangle():
    points = contours("square", None, aspect=0.5, angle=0.7).outline
    edges = np.roll(points, -1, axis=0) - points
    np.testing.assert_allclose((edges * np.roll(edges, 1, axis=0)).sum(axis=1), 0, atol=1e-12)
    lengths = np.sort(np.linalg.norm(edges, axis=1))
    np.testing.assert_allclose(lengths[3] / lengths[0], 2)


def test_coverage_of_a_rectangle_on_pixel_edges_is_exact():
    points = np.array([[3.0, -2.0], [9.0, -2.0], [9.0, 5.0], [3.0, 5.0]])
    coverage, top, left = rasterize([points])
    assert (top, left) == (-2, 3) and coverage.shape == (7, 6)
    assert coverage.min() == 1


@pytest.mark.parametrize("label", range(len(SHAPES)))
def test_coverage_adds_up_to_the_area(label):
    shape = class_contours(label, angle=0.3).placed(80, np.array([30.3, 30.3]))
    for part in ([shape.outline], shape.mark):
        area = 0.0
        for sign, points in zip([1, -1], part, strict=False):
            x, y = points.T
            area += sign * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        coverage, _, _ = rasterize(part)
        assert coverage.sum() == pytest.approx(area, rel=0.05)
