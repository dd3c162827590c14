"""Detections of an image, the interface of what finds them, and their drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..visualize.drawing import bgr, class_color, draw_box, scaled_to
from ..visualize.labels import Label, draw_labels

#: smaller images are enlarged for drawing, so that labels can be read
READABLE_SIDE = 512


@dataclass(frozen=True)
class Detections:
    """Detections of one image, in pixels of it.

    Attributes:
        boxes: (D, 4), x1, y1, x2, y2.
        scores: (D,).
        classes: (D,), 0 to K - 1.
        native: the same as the library's own drawing takes it, if there is one.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    native: Any = None

    def above(self, threshold: float) -> Detections:
        """Detections that score ``threshold`` or more."""
        kept = np.flatnonzero(self.scores >= threshold)
        native = self.native[kept] if self.native is not None else None
        return Detections(self.boxes[kept], self.scores[kept], self.classes[kept], native)

    def rescored(self, scores: np.ndarray, kept: np.ndarray) -> Detections:
        """Those of which ``kept`` (D,) is true, with other scores (D,)."""
        indices = np.flatnonzero(kept)
        native = self.native[indices] if self.native is not None else None
        if native is not None:
            native.scores = native.scores.new_tensor(scores[indices])
        return Detections(self.boxes[indices], scores[indices], self.classes[indices], native)

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Detector as the demo uses it; images are (H, W, 3), uint8, BGR.

    Attributes:
        class_names: K names, None if unknown.
        category_ids: of each class in the annotations, None if unknown.
    """

    @property
    def class_names(self) -> list[str] | None: ...

    @property
    def category_ids(self) -> list[int] | None: ...

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detections in each of several images of the same size."""
        ...

    def draw(self, image: np.ndarray, found: Detections) -> np.ndarray:
        """Picture of the image with its detections; small images are enlarged."""
        ...

    def draw_frame(self, frame: np.ndarray, found: Detections) -> np.ndarray:
        """Picture of a frame of a video, at its own size; frames come in their order."""
        ...


def draw_found(
    image: np.ndarray, found: Detections, class_names: Sequence[str] | None, *, enlarge: bool
) -> np.ndarray:
    """Draw boxes with class and score, the best on top; a label that finds no room is left out.

    Args:
        image: (H, W, 3), uint8, BGR; it stays as it is.
        enlarge: to :data:`READABLE_SIDE` if it is smaller.
    """
    picture, scale = image.copy(), 1.0
    if enlarge and max(image.shape[:2]) < READABLE_SIDE:
        picture, scale = scaled_to(image, READABLE_SIDE)
    size = float(np.clip(max(picture.shape[:2]) / 1400, 0.4, 1.2))
    labels = []
    for index in np.argsort(found.scores, kind="stable"):
        label = int(found.classes[index])
        x1, y1, x2, y2 = (round(float(v) * scale) for v in found.boxes[index])
        color = bgr(class_color(label))
        draw_box(picture, (x1, y1, x2, y2), color)
        text = f"{name_of(label, class_names)} {found.scores[index]:.2f}"
        labels.append(Label(text, (x1, y1, x2, y2), color))
    draw_labels(picture, labels[::-1], size=size)
    return picture


def name_of(label: int, class_names: Sequence[str] | None) -> str:
    """Name of a class, or its number."""
    known = class_names is not None and label < len(class_names)
    return class_names[label] if known and class_names is not None else f"class {label}"
