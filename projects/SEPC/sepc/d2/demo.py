"""Demo detector: a trained model of Detectron2, drawn by Detectron2."""

from collections.abc import Sequence

import cv2
import numpy as np
from detectron2.utils.video_visualizer import VideoVisualizer
from detectron2.utils.visualizer import Visualizer

from ..demo.detections import READABLE_SIDE, Detections
from .predictor import Predictor


class Detectron2Detector:
    """Adapter of a :class:`~sepc.d2.predictor.Predictor` to :class:`~sepc.demo.Detector`."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._video = VideoVisualizer(predictor.metadata)
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
        scale = max(1.0, READABLE_SIDE / max(image.shape[:2]))
        visualizer = Visualizer(_flipped(image), self._predictor.metadata, scale=scale)
        return _flipped(visualizer.draw_instance_predictions(found.native).get_image())

    def draw_frame(self, frame: np.ndarray, found: Detections) -> np.ndarray:
        drawn = self._video.draw_instance_predictions(_flipped(frame), found.native).get_image()
        # matplotlib rounds the size of its canvas
        return cv2.resize(_flipped(drawn), (frame.shape[1], frame.shape[0]))


def _flipped(image: np.ndarray) -> np.ndarray:
    """Image with its channels in reverse order: BGR to RGB and back."""
    return np.ascontiguousarray(image[:, :, ::-1])
