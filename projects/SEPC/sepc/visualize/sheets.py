"""Pictures with titles beside each other, on white paper."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..files import atomic_write

_MARGIN = 8
_BAR = 22
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """(H, W, 3), uint8, BGR.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no image.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"the image {os.fspath(path)} does not exist")
    image = cv2.imread(os.fspath(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{os.fspath(path)}: expected an image, can't read it")
    return image


def scaled_to(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The image with its longer side of ``side`` pixels, and the factor."""
    scale = side / max(image.shape[:2])
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=method), scale


def titled(panel: np.ndarray, title: str) -> np.ndarray:
    """The panel with a line of text above it and a margin around."""
    bar = np.full((_BAR, panel.shape[1], 3), _PAPER, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(bar, title, (1, _BAR - 7), font, 0.42, _INK, 1, cv2.LINE_AA)
    framed = np.vstack([bar, panel])
    return cv2.copyMakeBorder(
        framed, 0, _MARGIN, _MARGIN // 2, _MARGIN // 2, cv2.BORDER_CONSTANT, value=_PAPER
    )


def sheet(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles in rows; one at least."""
    height = max(tile.shape[0] for tile in tiles)
    width = max(tile.shape[1] for tile in tiles) + 2 * _MARGIN
    rows = math.ceil(len(tiles) / columns)
    paper = np.full((rows * height, min(columns, len(tiles)) * width, 3), _PAPER, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * height, index % columns * width + _MARGIN
        paper[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return paper


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """In the format of the name's ending; whole or not at all.

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
