"""Pictures of what a detector gets wrong and what it misses, beside ground truth."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..export.preprocess import read_image
from .detections import category_colors, scaled_corners
from .drawing import draw_box, scaled_to, sheet, titled, write_picture
from .labels import Label, draw_labels
from .matching import ImageMatches

_CROWD = (160, 160, 160)
_THICK = 3


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

    The color is that of the class, see :func:`~sepc.visualize.drawing.class_color`; crowds are
    gray. Mistakes alone are labeled.

    Args:
        names: of all categories, by id.

    Returns:
        two pictures (H, W, 3), BGR, their longer side ``side`` pixels.
    """
    image = read_image(Path(image_folder) / matches.image["file_name"])
    truth, scale = scaled_to(image, side)
    found = truth.copy()
    colors = category_colors(names)
    for box in matches.crowds:
        draw_box(truth, scaled_corners(box, scale), _CROWD, thickness=1)
    for panel, boxes in ((truth, matches.found), (found, matches.right)):
        for box in boxes:
            draw_box(panel, scaled_corners(box, scale), colors[box["category_id"]], thickness=1)
    missed, wrong = [], []
    for box in matches.missed:
        name, color = names[box["category_id"]], colors[box["category_id"]]
        missed.append(Label(f"missed: {name}", scaled_corners(box, scale), color))
        draw_box(truth, missed[-1].box, color, dashed=True)
    for box in sorted(matches.wrong, key=lambda box: box["score"]):  # the best on top
        name, color = names[box["category_id"]], colors[box["category_id"]]
        wrong.append(Label(f"{name} {box['score']:.2f}", scaled_corners(box, scale), color))
        draw_box(found, wrong[-1].box, color, thickness=_THICK)
    draw_labels(truth, missed)
    draw_labels(found, wrong[::-1])
    return truth, found
