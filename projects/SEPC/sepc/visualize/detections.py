"""Detections beside ground truth."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..files import written_whole

_MARGIN = 8
_BAR = 22
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)
# told apart by most kinds of colour vision (Okabe and Ito), BGR
_COLOURS = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (167, 121, 204),
    (0, 94, 213),
    (178, 114, 0),
)


def draw_detections(
    json_path: str | os.PathLike[str],
    image_folder: str | os.PathLike[str],
    results: list[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    num_images: int = 8,
    score_thresh: float = 0.3,
    columns: int = 2,
    side: int = 384,
) -> None:
    """Draws the first images of a data set, ground truth on the left and detections on the right.

    Args:
        json_path: COCO's instance annotations.
        image_folder: what the file names in it are relative to.
        results: detections in COCO's results format: ``image_id``, ``category_id``, ``bbox``
            [x, y, width, height] and ``score``.
        path: picture to write.
        score_thresh: weaker detections are left out.
        columns: pairs of pictures beside each other.
        side: length of the longer side of a picture, in pixels.

    Raises:
        FileNotFoundError: if the annotations or an image is missing.
        ValueError: if an image can't be read.
    """
    content = json.loads(Path(json_path).read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    colours = {c: _COLOURS[i % len(_COLOURS)] for i, c in enumerate(sorted(names))}
    truths, found = defaultdict(list), defaultdict(list)
    for annotation in content["annotations"]:
        truths[annotation["image_id"]].append(annotation)
    for result in sorted(results, key=lambda result: result["score"]):  # the best on top
        if result["score"] >= score_thresh:
            found[result["image_id"]].append(result)

    pairs = []
    for entry in content["images"][:num_images]:
        image = _read(Path(image_folder) / entry["file_name"])
        panels = [
            _panel(image, boxes, names, colours, side)
            for boxes in (truths[entry["id"]], found[entry["id"]])
        ]
        titles = (
            f"ground truth  {entry['file_name']}",
            f"detections  (score {score_thresh:g} or more)",
        )
        pairs.append(np.hstack([_titled(p, t) for p, t in zip(panels, titles, strict=True)]))
    sheet = _grid(pairs, columns)
    with written_whole(path) as partial:
        if not cv2.imwrite(os.fspath(partial), sheet):
            raise OSError(f"can't write the picture {path}")


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"the image {path} does not exist")
    image = cv2.imread(os.fspath(path))
    if image is None:
        raise ValueError(f"{path}: expected an image, can't read it")
    return image


def _panel(
    image: np.ndarray,
    boxes: list[dict[str, Any]],
    names: dict[int, str],
    colours: dict[int, tuple[int, int, int]],
    side: int,
) -> np.ndarray:
    """One enlarged image with its boxes; crowd regions are drawn thin."""
    scale = side / max(image.shape[:2])
    panel = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for box in boxes:
        x, y, width, height = (round(v * scale) for v in box["bbox"])
        colour, crowd = colours[box["category_id"]], box.get("iscrowd", 0)
        cv2.rectangle(panel, (x, y), (x + width, y + height), colour, 1 if crowd else 2)
        text = names[box["category_id"]] + (" (crowd)" if crowd else "")
        if "score" in box:
            text += f" {box['score']:.2f}"
        _label(panel, text, x, y, colour)
    return panel


def _label(panel: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    (width, height), _ = cv2.getTextSize(text, _FONT, 0.38, 1)
    left = min(max(x - 1, 0), max(panel.shape[1] - width - 4, 0))
    bottom = max(y, height + 5)
    cv2.rectangle(panel, (left, bottom - height - 5), (left + width + 4, bottom), colour, -1)
    cv2.putText(panel, text, (left + 2, bottom - 3), _FONT, 0.38, (0, 0, 0), 1, cv2.LINE_AA)


def _titled(panel: np.ndarray, title: str) -> np.ndarray:
    bar = np.full((_BAR, panel.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(bar, title, (1, _BAR - 7), _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    framed = np.vstack([bar, panel])
    return cv2.copyMakeBorder(
        framed, 0, _MARGIN, _MARGIN // 2, _MARGIN // 2, cv2.BORDER_CONSTANT, value=_PAPER
    )


def _grid(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    height = max(tile.shape[0] for tile in tiles)
    width = max(tile.shape[1] for tile in tiles) + 2 * _MARGIN
    rows = math.ceil(len(tiles) / columns)
    sheet = np.full((rows * height, min(columns, len(tiles)) * width, 3), _PAPER, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * height, index % columns * width + _MARGIN
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet
