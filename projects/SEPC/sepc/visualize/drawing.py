"""Colors, boxes, and sheets of pictures, drawn by OpenCV."""

import colorsys
import math
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from ..files import atomic_write

# Okabe and Ito's colors, which the color-blind can tell apart
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"

_FIRST_CLASSES = (ORANGE, SKY, GREEN, YELLOW, PURPLE, VERMILION, BLUE)
_GOLDEN = (math.sqrt(5) - 1) / 2
_START = 0.34  # with which the first twenty classes differ most

#: the three terms of pyramid convolution, as in docs/pyramid_conv.png
TERMS = {"finer": VERMILION, "same": BLUE, "coarser": "#007D5A"}

FONT = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN = 8
_BAR = 22
_OUTSIDE = 16  # pixels; OpenCV takes no numbers of any size
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)

Color = tuple[int, int, int]


def class_color(index: int) -> str:
    """Color of a class as ``"#RRGGBB"``, the same in all pictures and pages.

    The first seven are Okabe and Ito's. Beyond, hues are a golden section apart and in turn bright,
    darker and pale, so that classes near each other look unlike.

    Args:
        index: of the class, 0 to K - 1: its place among the sorted category ids.
    """
    if index < len(_FIRST_CLASSES):
        return _FIRST_CLASSES[index]
    saturation, value = ((0.9, 0.95), (0.8, 0.65), (0.45, 0.9))[index % 3]
    channels = colorsys.hsv_to_rgb((_START + index * _GOLDEN) % 1, saturation, value)
    return "#" + "".join(f"{round(255 * x):02X}" for x in channels)


def bgr(color: str) -> Color:
    """Convert ``"#RRGGBB"`` to blue, green and red as OpenCV wants them."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red


def draw_box(
    picture: np.ndarray,
    box: tuple[int, int, int, int],
    color: Color,
    *,
    thickness: int = 2,
    dashed: bool = False,
) -> None:
    """Draw a box onto ``picture`` (H, W, 3) in place.

    Args:
        box: x1, y1, x2, y2 in pixels; what lies far outside is drawn just outside.
    """
    height, width = picture.shape[:2]
    x1, x2 = (min(max(x, -_OUTSIDE), width + _OUTSIDE) for x in box[::2])
    y1, y2 = (min(max(y, -_OUTSIDE), height + _OUTSIDE) for y in box[1::2])
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


def scaled_to(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Scale an image to a longer side of ``side`` pixels; return it and the factor."""
    scale = side / max(image.shape[:2])
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    height, width = (max(1, round(edge * scale)) for edge in image.shape[:2])  # 1: of a strip
    return cv2.resize(image, (width, height), interpolation=method), scale


def titled(panel: np.ndarray, title: str) -> np.ndarray:
    """Add a line of text above a panel, and a margin around."""
    bar = np.full((_BAR, panel.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(bar, title, (1, _BAR - 7), FONT, 0.42, _INK, 1, cv2.LINE_AA)
    framed = np.vstack([bar, panel])
    return cv2.copyMakeBorder(
        framed, 0, _MARGIN, _MARGIN // 2, _MARGIN // 2, cv2.BORDER_CONSTANT, value=_PAPER
    )


def sheet(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Lay tiles, one at least, out in rows on white paper."""
    height = max(tile.shape[0] for tile in tiles)
    width = max(tile.shape[1] for tile in tiles) + 2 * _MARGIN
    rows = math.ceil(len(tiles) / columns)
    paper = np.full((rows * height, min(columns, len(tiles)) * width, 3), _PAPER, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * height, index % columns * width + _MARGIN
        paper[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return paper


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Write a picture in the format of its name's ending; whole or not at all.

    Raises:
        ValueError: for an ending that is no picture's.
        OSError: if it can't be written.
    """
    suffix = Path(path).suffix
    if not suffix or not cv2.haveImageWriter(f"x{suffix}"):
        raise ValueError(f"expected a picture such as .png or .jpg, got {os.fspath(path)}")
    is_jpeg = suffix.lower() in (".jpg", ".jpeg")
    flags = [cv2.IMWRITE_JPEG_QUALITY, 88] if is_jpeg else []
    with atomic_write(path) as partial:
        if not cv2.imwrite(os.fspath(partial), picture, flags):
            raise OSError(f"can't write the picture {os.fspath(path)}")
