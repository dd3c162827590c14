"""Pictures of detections beside ground truth."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..data.validate import read_annotations
from ..export.preprocess import read_image
from ..score_threshold import SHOWN_SCORE
from .drawing import Color, bgr, class_color, draw_box, scaled_to, sheet, titled, write_picture
from .labels import Label, draw_labels


def draw_detections(
    json_path: str | os.PathLike[str],
    image_folder: str | os.PathLike[str],
    results: list[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    num_images: int = 8,
    score_thresh: float = SHOWN_SCORE,
    side: int = 384,
) -> None:
    """Draw the first images of a data set, ground truth on the left and detections on the right.

    Args:
        json_path: COCO's instance annotations.
        image_folder: what the file names in it are relative to.
        results: detections in COCO's results format: ``image_id``, ``category_id``, ``bbox``
            [x, y, width, height] and ``score``.
        path: picture to write.
        score_thresh: weaker detections are left out.
        side: length of the longer side of a picture, in pixels.

    Raises:
        FileNotFoundError: if the annotations or an image is missing.
        ValueError: if the annotations or an image can't be read.
    """
    content = read_annotations(json_path)
    names = {category["id"]: category["name"] for category in content["categories"]}
    colors = category_colors(names)
    truths, found = defaultdict(list), defaultdict(list)
    for annotation in content["annotations"]:
        truths[annotation["image_id"]].append(annotation)
    for result in sorted(results, key=lambda result: result["score"]):  # the best on top
        if result["score"] >= score_thresh:
            found[result["image_id"]].append(result)

    pairs = []
    for entry in content["images"][:num_images]:
        image = read_image(Path(image_folder) / entry["file_name"])
        panels = [
            boxes_panel(image, boxes, names, colors, side)
            for boxes in (truths[entry["id"]], found[entry["id"]])
        ]
        titles = (
            f"ground truth  {entry['file_name']}",
            f"detections  (score {score_thresh:g} or more)",
        )
        pairs.append(np.hstack([titled(p, t) for p, t in zip(panels, titles, strict=True)]))
    write_picture(path, sheet(pairs, columns=2))


def category_colors(ids: Iterable[int]) -> dict[int, Color]:
    """Color of each category, by the order of their ids."""
    return {c: bgr(class_color(i)) for i, c in enumerate(sorted(ids))}


def boxes_panel(
    image: np.ndarray,
    boxes: list[dict[str, Any]],
    names: dict[int, str],
    colors: dict[int, Color],
    side: int,
) -> np.ndarray:
    """Draw one image, scaled to a longer side of ``side``, with its boxes; crowds are drawn thin.

    Args:
        boxes: annotations or detections in COCO's format; the last is drawn on top, and its label
            has the first choice of a place.
        names, colors: by category ids, see :func:`category_colors`.
    """
    panel, scale = scaled_to(image, side)
    labels = []
    for box in boxes:
        corners = scaled_corners(box, scale)
        color, crowd = colors[box["category_id"]], box.get("iscrowd", 0)
        draw_box(panel, corners, color, thickness=1 if crowd else 2)
        text = names[box["category_id"]] + (" (crowd)" if crowd else "")
        if "score" in box:
            text += f" {box['score']:.2f}"
        labels.append(Label(text, corners, color))
    draw_labels(panel, labels[::-1])
    return panel


def scaled_corners(box: dict[str, Any], scale: float) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 in pixels of a picture that is scaled by ``scale``, of a box of COCO's."""
    x, y, width, height = (v * scale for v in box["bbox"])
    return round(x), round(y), round(x + width), round(y + height)
