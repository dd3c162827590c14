"""Outlines of the object classes, and their rasterization with soft edges."""

import cv2
import numpy as np

#: The object classes, in the order of their class indices.
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")

_SUPERSAMPLING = 4
_FRACTION_BITS = 4


def _regular(corners: int, radius: float = 1.0) -> np.ndarray:
    angles = np.arange(corners) * (2 * np.pi / corners)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star() -> np.ndarray:
    points = _regular(10)
    points[1::2] *= 0.45
    return points


def _cross(arm: float = 0.34) -> np.ndarray:
    quarter = np.array([[1, -arm], [1, arm], [arm, arm]])
    turns = [np.array([[1, 0], [0, 1]]), np.array([[0, 1], [-1, 0]])]
    turns += [-turns[0], -turns[1]]
    return np.concatenate([quarter @ turn for turn in turns])


_CONTOURS: dict[str, list[np.ndarray]] = {
    "circle": [_regular(64)],
    "square": [np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])],
    "triangle": [_regular(3)],
    "star": [_star()],
    "cross": [_cross()],
    "ring": [_regular(64), _regular(64, radius=0.52)],
}


def outline(shape: str, *, aspect: float = 1.0, angle: float = 0.0) -> list[np.ndarray]:
    """Make the contours of one shape, stretched, then rotated.

    Args:
        shape: one of :data:`SHAPES`.
        aspect: height over width before the rotation.
        angle: in radians.

    Returns:
        Contours (P, 2) as (x, y), filled by the even-odd rule. The box around them is centered at
        zero, and its longer side is 1.

    Raises:
        ValueError: for an unknown shape.
    """
    if shape not in _CONTOURS:
        raise ValueError(f"expected a shape among {', '.join(SHAPES)}, got {shape!r}")
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    contours = [(points * (1.0, aspect)) @ turn for points in _CONTOURS[shape]]
    lower, upper = contours[0].min(axis=0), contours[0].max(axis=0)
    return [(points - (lower + upper) / 2) / (upper - lower).max() for points in contours]


def rasterize(contours: list[np.ndarray]) -> tuple[np.ndarray, int, int]:
    """Fill contours that are given in pixels.

    Args:
        contours: (P, 2) as (x, y); pixel (row i, column j) covers [j, j + 1) x [i, i + 1).

    Returns:
        ``(coverage, top, left)``: float32 (h, w) in [0, 1], the share of each pixel that is
        covered, and the position of the first pixel of this patch in the image (it may be outside).
    """
    left, top = np.floor(contours[0].min(axis=0)).astype(int)
    right, bottom = np.ceil(contours[0].max(axis=0)).astype(int)
    width, height = max(right - left, 1), max(bottom - top, 1)
    fine = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)
    # OpenCV's integer coordinates are pixel centers.
    scaled = [
        np.round(((points - (left, top)) * _SUPERSAMPLING - 0.5) * 2**_FRACTION_BITS).astype(int)
        for points in contours
    ]
    cv2.fillPoly(fine, [s.astype(np.int32) for s in scaled], color=255, shift=_FRACTION_BITS)
    coverage = cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return coverage.astype(np.float32) / 255, int(top), int(left)
