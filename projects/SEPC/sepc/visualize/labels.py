"""Labels of boxes: none covers another, and all of each is inside the picture."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .drawing import FONT, Color

_SIZE = 0.38
_PAD = 2

Box = tuple[int, int, int, int]


class Label(NamedTuple):
    """Text of a box.

    Attributes:
        text: in one line.
        box: x1, y1, x2, y2 in pixels of the picture.
        color: of the ground, BGR.
    """

    text: str
    box: Box
    color: Color


def draw_labels(picture: np.ndarray, labels: Sequence[Label], *, size: float = _SIZE) -> int:
    """Draw labels onto ``picture`` (H, W, 3) in place, the first ones first.

    Each goes to the first free place at its box, see :func:`places`. One that has no free place
    left is not drawn: its box tells the class by its color. A text wider than the picture is cut.

    Args:
        size: of the font, in OpenCV's unit.

    Returns:
        number of labels that were left out.
    """
    taken = np.zeros(picture.shape[:2], bool)
    left_out = 0
    for label in labels:
        text = _cut(label.text, picture.shape[1], size)
        (width, height), baseline = cv2.getTextSize(text, FONT, size, 1)
        extent = width + 2 * _PAD, height + baseline + _PAD
        free = (
            (x, y)
            for x, y in places(label.box, extent, taken.shape)
            if not taken[y : y + extent[1], x : x + extent[0]].any()
        )
        place = next(free, None)
        if place is None:
            left_out += 1
            continue
        x, y = place
        taken[y : y + extent[1], x : x + extent[0]] = True
        picture[y : y + extent[1], x : x + extent[0]] = label.color
        at = (x + _PAD, y + extent[1] - baseline)
        cv2.putText(picture, text, at, FONT, size, _ink(label.color), 1, cv2.LINE_AA)
    return left_out


def places(
    box: Box, extent: tuple[int, int], picture: tuple[int, ...]
) -> Iterator[tuple[int, int]]:
    """Find where a label may stand, the best place first: x and y of its corner at the top left.

    Above the box, at the top in it, below it, at the bottom in it; from its left side, then up to
    its right side; then beside it, and at last further down in it.

    Args:
        box: what lies outside the picture does not count.
        extent: width and height of the label.
        picture: height and width; without room for the label there is no place.
    """
    width, height = extent
    most_x, most_y = picture[1] - width, picture[0] - height
    if most_x < 0 or most_y < 0:
        return
    x1, x2 = (min(max(x, 0), picture[1]) for x in box[::2])
    y1, y2 = (min(max(y, 0), picture[0]) for y in box[1::2])
    sides = (x1, x2 - width)
    rows = (y1 - height, y1, y2, y2 - height)
    corners = [(x, y) for y in rows for x in sides]
    beside = [(x, y) for x in (x2, x1 - width) for y in (y1, y2 - height)]
    inside = [(x, y) for y in range(y1 + height, y2 - height, height) for x in sides]
    for x, y in (*corners, *beside, *inside):
        yield min(max(x, 0), most_x), min(max(y, 0), most_y)


def _ink(ground: Color) -> Color:
    """Black or white, whichever can be read on a ground."""
    blue, green, red = ground
    return (0, 0, 0) if 0.114 * blue + 0.587 * green + 0.299 * red > 115 else (255, 255, 255)


def _cut(text: str, room: int, size: float) -> str:
    def fits(shown: str) -> bool:
        return bool(cv2.getTextSize(shown, FONT, size, 1)[0][0] + 2 * _PAD <= room)

    if fits(text):
        return text
    return next((text[:n] + ".." for n in range(len(text), 0, -1) if fits(text[:n] + "..")), "..")
