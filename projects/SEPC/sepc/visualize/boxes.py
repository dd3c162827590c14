"""Boxes with labels on an image, by OpenCV."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SIZE = 0.38

Color = tuple[int, int, int]


def draw_box(
    picture: np.ndarray,
    box: tuple[int, int, int, int],
    color: Color,
    *,
    thickness: int = 2,
    dashed: bool = False,
) -> None:
    """Draw onto ``picture`` (H, W, 3) in place.

    Args:
        box: x1, y1, x2, y2 in pixels.
    """
    x1, y1, x2, y2 = box
    if not dashed:
        cv2.rectangle(picture, (x1, y1), (x2, y2), color, thickness)
        return
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
    for start, end in pairwise(corners):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        for first in range(0, length, 10):
            ends = [
                tuple(round(a + (b - a) * at / length) for a, b in zip(start, end, strict=True))
                for at in (first, min(first + 6, length))
            ]
            cv2.line(picture, ends[0], ends[1], color, thickness)


def draw_label(
    picture: np.ndarray, text: str, x: int, y: int, color: Color, *, size: float = _SIZE
) -> None:
    """Draw text on a colored ground above the point (x, y), inside the picture."""
    (width, height), _ = cv2.getTextSize(text, _FONT, size, 1)
    left = min(max(x - 1, 0), max(picture.shape[1] - width - 4, 0))
    bottom = min(max(y, height + 5), picture.shape[0])
    cv2.rectangle(picture, (left, bottom - height - 5), (left + width + 4, bottom), color, -1)
    ink = (0, 0, 0) if sum(color) > 300 else (255, 255, 255)
    cv2.putText(picture, text, (left + 2, bottom - 3), _FONT, size, ink, 1, cv2.LINE_AA)
