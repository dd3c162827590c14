"""Picture of the first batches of a training, as the model gets them."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...demo.detections import name_of
from ...signals import stops_blocked
from ...visualize.drawing import (
    bgr,
    class_color,
    draw_box,
    scaled_to,
    sheet,
    titled,
    write_picture,
)
from ...visualize.labels import Label, draw_labels
from .bad_images import usable
from .rng import preserved_rng

_SIDE, _COLUMNS, _MOST = 320, 4, 16


def write_batches(
    loader: Iterable[Any], path: str, *, class_names: Sequence[str] | None, image_format: str
) -> None:
    """Draw the first images of a training, augmented, with their boxes, onto one picture.

    Neither the loader, which starts anew for it, nor the random numbers of the training change.

    Args:
        loader: batches of Detectron2's dicts with ``image`` and ``instances``.
        path: of the picture.
        class_names: K names, None if unknown.
        image_format: "RGB" or "BGR", the order of the channels.

    Raises:
        ValueError: if no image can be used.
        OSError: if it can't be written.
    """
    tiles: list[np.ndarray] = []
    with preserved_rng():
        with stops_blocked():  # while loader processes start
            batches = iter(loader)
        for batch in islice(batches, _MOST):
            tiles += [_tile(item, class_names, image_format) for item in usable(batch)[0]]
            if len(tiles) >= _MOST:
                break
    if not tiles:
        raise ValueError(f"expected an image in the first {_MOST} batches, got none to use")
    write_picture(path, sheet(tiles[:_MOST], _COLUMNS))


def _tile(item: dict[str, Any], names: Sequence[str] | None, image_format: str) -> np.ndarray:
    pixels = item["image"].numpy().transpose(1, 2, 0)
    pixels = pixels[:, :, ::-1] if image_format == "RGB" else pixels
    picture, scale = scaled_to(np.ascontiguousarray(pixels, dtype=np.uint8), _SIDE)
    boxes = (item["instances"].gt_boxes.tensor * scale).round().int().tolist()
    labels = []
    for (x1, y1, x2, y2), label in zip(boxes, item["instances"].gt_classes.tolist(), strict=True):
        color = bgr(class_color(label))
        draw_box(picture, (x1, y1, x2, y2), color)
        labels.append(Label(name_of(label, names), (x1, y1, x2, y2), color))
    draw_labels(picture, labels)
    height, width = pixels.shape[:2]
    return titled(picture, f"{Path(item['file_name']).name}, {width} x {height}")
