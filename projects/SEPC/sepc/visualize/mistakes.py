"""Pictures of what a detector gets wrong and what it misses, beside ground truth."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..export.preprocess import read_image
from .drawing import (
    GREEN,
    ORANGE,
    VERMILION,
    bgr,
    draw_box,
    draw_label,
    scaled_to,
    sheet,
    titled,
    write_picture,
)
from .matching import ImageMatches

_RIGHT, _WRONG, _MISSED = bgr(GREEN), bgr(VERMILION), bgr(ORANGE)
_CROWD = (160, 160, 160)


def draw_mistakes(
    matches: Sequence[ImageMatches],
    image_folder: str | os.PathLike[str],
    names: dict[int, str],
    path: str | os.PathLike[str],
    *,
    num_images: int = 8,
    side: int = 384,
) -> None:
    """Draw the first of ``matches``, the worst, as one picture.

    Args:
        matches: of :func:`~sepc.visualize.match_detections`.
        image_folder: what the file names are relative to.
        names: of the categories, by id.
        path: picture to write.
        num_images: pairs of pictures.
        side: length of the longer side of a picture, in pixels.

    Raises:
        FileNotFoundError, ValueError: for an image that is missing or can't be read; without
            images.
    """
    if not matches or num_images < 1:
        raise ValueError(f"expected images to draw, got {len(matches)}, {num_images} wanted")
    pairs = []
    for each in matches[:num_images]:
        truth, found = mistake_panels(each, image_folder, names, side=side)
        missed, wrong = count_mistakes(each)
        name = Path(each.image["file_name"]).name
        left = titled(truth, f"ground truth: {missed} (dashed)")
        right = titled(found, f"detections: {wrong} (thick)   {name}")
        pairs.append(np.hstack([left, right]))
    write_picture(path, sheet(pairs, columns=2))


def count_mistakes(matches: ImageMatches) -> tuple[str, str]:
    """Numbers of mistakes as text: "3 of 6 missed", "1 of 4 wrong"."""
    return (
        f"{len(matches.missed)} of {len(matches.missed) + len(matches.found)} missed",
        f"{len(matches.wrong)} of {len(matches.wrong) + len(matches.right)} wrong",
    )


def mistake_panels(
    matches: ImageMatches,
    image_folder: str | os.PathLike[str],
    names: dict[int, str],
    *,
    side: int = 384,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw ground truth (missed objects dashed) and detections (false positives thick) apart.

    Returns:
        two pictures (H, W, 3), BGR, their longer side ``side`` pixels.
    """
    image = read_image(Path(image_folder) / matches.image["file_name"])
    truth, scale = scaled_to(image, side)
    found = truth.copy()
    for box in matches.crowds:
        draw_box(truth, _corners(box, scale), _CROWD, thickness=1)
    for box in matches.found:
        draw_box(truth, _corners(box, scale), _RIGHT, thickness=1)
    for box in matches.missed:
        corners = _corners(box, scale)
        draw_box(truth, corners, _MISSED, dashed=True)
        draw_label(truth, f"missed: {names[box['category_id']]}", *corners[:2], _MISSED)
    for box in matches.right:
        draw_box(found, _corners(box, scale), _RIGHT, thickness=1)
    for box in sorted(matches.wrong, key=lambda box: box["score"]):  # the best on top
        corners = _corners(box, scale)
        draw_box(found, corners, _WRONG)
        text = f"{names[box['category_id']]} {box['score']:.2f}"
        draw_label(found, text, *corners[:2], _WRONG)
    return truth, found


def _corners(box: dict[str, Any], scale: float) -> tuple[int, int, int, int]:
    x, y, width, height = (v * scale for v in box["bbox"])
    return round(x), round(y), round(x + width), round(y + height)
