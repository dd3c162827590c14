"""Pictures of what a detector gets wrong and what it misses, beside ground truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .drawing import (
    GREEN,
    ORANGE,
    VERMILION,
    Color,
    bgr,
    draw_box,
    draw_label,
    read_image,
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
    columns: int = 2,
    side: int = 384,
) -> None:
    """Draw the first of ``matches``, the worst, as one picture.

    Args:
        matches: of :func:`~sepc.visualize.match_detections`.
        image_folder: what the file names are relative to.
        names: of the categories, by id.
        path: picture to write.
        num_images, columns: pairs of pictures in all, and beside each other.
        side: length of the longer side of a picture, in pixels.

    Raises:
        FileNotFoundError, ValueError: for an image that is missing or can't be read; without
            images.
    """
    if not matches or num_images < 1:
        raise ValueError(f"expected images to draw, got {len(matches)}, {num_images} wanted")
    pairs = [
        mistakes_of_image(each, image_folder, names, side=side) for each in matches[:num_images]
    ]
    write_picture(path, sheet(pairs, columns))


def mistakes_of_image(
    matches: ImageMatches,
    image_folder: str | os.PathLike[str],
    names: dict[int, str],
    *,
    side: int = 384,
) -> np.ndarray:
    """Join both panels of :func:`mistake_panels`, with titles; (H, W, 3), BGR."""
    truth, found = mistake_panels(matches, image_folder, names, side=side)
    missed, wrong = count_mistakes(matches)
    name = Path(matches.image["file_name"]).name
    return np.hstack(
        [
            titled(truth, f"ground truth: {missed} (dashed)"),
            titled(found, f"detections: {wrong} (thick)   {name}"),
        ]
    )


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
        _mark(truth, box, f"missed: {names[box['category_id']]}", scale, _MISSED, dashed=True)
    for box in matches.right:
        draw_box(found, _corners(box, scale), _RIGHT, thickness=1)
    for box in sorted(matches.wrong, key=lambda box: box["score"]):  # the best on top
        text = f"{names[box['category_id']]} {box['score']:.2f}"
        _mark(found, box, text, scale, _WRONG, dashed=False)
    return truth, found


def _mark(
    panel: np.ndarray, box: dict[str, Any], text: str, scale: float, color: Color, *, dashed: bool
) -> None:
    """Draw a thick box with a label."""
    x1, y1, x2, y2 = _corners(box, scale)
    draw_box(panel, (x1, y1, x2, y2), color, thickness=2, dashed=dashed)
    draw_label(panel, text, x1, y1, color)


def _corners(box: dict[str, Any], scale: float) -> tuple[int, int, int, int]:
    x, y, width, height = (v * scale for v in box["bbox"])
    return round(x), round(y), round(x + width), round(y + height)
