"""Demo detector: a trained model of Detectron2."""

from collections.abc import Sequence

import numpy as np

from ..demo.detections import Detections, draw_found
from ..visualize.drawing import bgr, class_color
from .predictor import Predictor


class Detectron2Detector:
    """Adapter of a :class:`~sepc.d2.predictor.Predictor` to :class:`~sepc.demo.Detector`."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.class_names = predictor.class_names
        self.category_ids = predictor.category_ids

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        return [
            Detections(
                instances.pred_boxes.tensor.numpy(),
                instances.scores.numpy(),
                instances.pred_classes.numpy(),
                instances,
            )
            for instances in self._predictor(images)
        ]

    def draw(self, image: np.ndarray, found: Detections) -> np.ndarray:
        return draw_found(_with_masks(image, found), found, self.class_names, enlarge=True)

    def draw_frame(self, frame: np.ndarray, found: Detections) -> np.ndarray:
        return draw_found(_with_masks(frame, found), found, self.class_names, enlarge=False)


def _with_masks(image: np.ndarray, found: Detections) -> np.ndarray:
    """Picture of an image under the masks of what was found, half of each its class's color."""
    if not found.native.has("pred_masks"):
        return image
    picture = image.copy()
    for mask, label in zip(found.native.pred_masks.numpy(), found.classes, strict=True):
        color = np.array(bgr(class_color(int(label))))
        picture[mask] = ((picture[mask].astype(int) + color) // 2).astype(np.uint8)
    return picture
