"""Contours of the object classes, and their rasterization with soft edges.

A class is an outline with a mark on it, so that classes of one outline differ by a detail alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

OUTLINES = ("circle", "square", "triangle", "star")
_MARKS = {"dotted": "dot", "ringed": "ring", "barred": "bar"}

#: The object classes, in the order of their class indices.
SHAPES = tuple(f"{marked} {outline}" for outline in OUTLINES for marked in _MARKS)

_SUPERSAMPLING = 4
_FRACTION_BITS = 4


def _regular(corners: int, radius: float = 1.0) -> np.ndarray:
    angles = np.arange(corners) * (2 * np.pi / corners)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star() -> np.ndarray:
    points = _regular(10)
    points[1::2] *= 0.45
    return points


def _rectangle(half_width: float = 1.0, half_height: float = 1.0) -> np.ndarray:
    corners = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    return corners * (half_width, half_height)


_OUTLINES = {
    "circle": _regular(64),
    "square": _rectangle(),
    "triangle": _regular(3),
    "star": _star(),
}
# about the origin, in radii of the circle that an outline has room for
_ROOM = {"circle": 0.85, "square": 0.85, "triangle": 0.5, "star": 0.5}
_MARK_CONTOURS = {
    "dot": [_regular(32, radius=0.55)],
    "ring": [_regular(32, radius=0.75), _regular(32, radius=0.4)],
    "bar": [_rectangle(0.8, 0.28)],
}


@dataclass(frozen=True)
class Contours:
    """Contours (P, 2) as (x, y) of an object and of the mark on it.

    Attributes:
        outline: of the object.
        mark: one or more, filled by the even-odd rule; none where the object has no mark.
    """

    outline: np.ndarray
    mark: list[np.ndarray]

    def placed(self, size: float, center: np.ndarray) -> Contours:
        """The same, with a longer side of ``size`` around a center (x, y), in pixels."""
        return Contours(self.outline * size + center, [m * size + center for m in self.mark])


def contours(
    outline: str, mark: str | None, *, aspect: float = 1.0, angle: float = 0.0
) -> Contours:
    """Make the contours of an object, stretched, then rotated.

    Args:
        outline: one of :data:`OUTLINES`.
        mark: "dot", "ring" or "bar"; None for a blank one, which is an object of no class.
        aspect: height over width before the rotation.
        angle: in radians.

    Returns:
        contours in the object's own frame: the box around the outline is centered at zero, and its
        longer side is 1.

    Raises:
        ValueError: for an unknown outline or mark.
    """
    if outline not in _OUTLINES:
        raise ValueError(f"expected an outline among {', '.join(OUTLINES)}, got {outline!r}")
    if mark is not None and mark not in _MARK_CONTOURS:
        raise ValueError(f"expected a mark among {', '.join(_MARK_CONTOURS)}, got {mark!r}")
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])

    def turned(points: np.ndarray) -> np.ndarray:
        return (points * (1.0, aspect)) @ turn

    border = turned(_OUTLINES[outline])
    lower, upper = border.min(axis=0), border.max(axis=0)
    marks = [turned(_ROOM[outline] * points) for points in _MARK_CONTOURS[mark]] if mark else []
    middle, side = (lower + upper) / 2, (upper - lower).max()
    return Contours((border - middle) / side, [(points - middle) / side for points in marks])


def class_contours(label: int, *, aspect: float = 1.0, angle: float = 0.0) -> Contours:
    """Make the contours of an object of a class, see :func:`contours`."""
    marked, outline = SHAPES[label].split()
    return contours(outline, _MARKS[marked], aspect=aspect, angle=angle)


def typical_hues(label: int) -> tuple[float, float]:
    """Typical hues of the outline and of the mark of a class, in [0, 1)."""
    outline, mark = divmod(label, len(_MARKS))
    return outline / len(OUTLINES), (mark + 0.5) / len(_MARKS)


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
