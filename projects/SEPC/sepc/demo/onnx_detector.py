"""Demo detector: an exported file in ONNX Runtime, on images of any size."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..export.exported import onnx_session
from ..export.preprocess import prepare_image, restore_boxes
from ..export.signature import OUTPUT_NAMES, OWNERS, split_names
from .detections import Detections, draw_found


class OnnxDetector:
    """Detector from an ONNX file that ``tools/export_model.py`` or the quick start has written.

    Attributes:
        metadata: texts of the file.
        class_names, category_ids: see :class:`.detections.Detector`.
        score_threshold: score below which the file itself leaves out what it finds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no detector of ours.
        ImportError: if ONNX Runtime is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"the ONNX file {os.fspath(path)} does not exist")
        self._session = onnx_session(path)
        inputs = self._session.get_inputs()
        names = [output.name for output in self._session.get_outputs()]
        rank = len(inputs[0].shape) if len(inputs) == 1 else 0
        if rank not in (3, 4) or not set(OUTPUT_NAMES) <= set(names):
            raise ValueError(
                f"{os.fspath(path)}: expected one image as input and the outputs {OUTPUT_NAMES}, "
                f"got {[x.name for x in inputs]} and {names}"
            )
        self._input = inputs[0].name
        self._type = np.uint8 if "uint8" in inputs[0].type else np.float32
        self._batch = inputs[0].shape[0] if rank == 4 else None
        self._outputs = [*OUTPUT_NAMES, *([OWNERS] if OWNERS in names else [])]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        size = inputs[0].shape[-2:]
        if all(isinstance(side, int) for side in size):
            self.metadata.setdefault("image_size", f"{size[0]},{size[1]}")
        ids = self.metadata.get("category_ids", "")
        self.category_ids = [int(i) for i in ids.split(",")] if ids else None
        self.class_names = split_names(self.metadata.get("class_names", "")) or None
        self.score_threshold = float(self.metadata.get("score_threshold", 0))

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detections in each of several images (H, W, 3), uint8, BGR, of one size."""
        prepared = [prepare_image(image, self.metadata) for image in images]
        found = []
        outputs = self._run([x.pixels.astype(self._type) for x in prepared])
        for (boxes, scores, classes), each in zip(outputs, prepared, strict=True):
            boxes, seen = restore_boxes(boxes, each, self.metadata)
            found.append(Detections(boxes[seen], scores[seen], classes[seen]))
        return found

    def draw(self, image: np.ndarray, found: Detections) -> np.ndarray:
        return draw_found(image, found, self.class_names, enlarge=True)

    def draw_frame(self, frame: np.ndarray, found: Detections) -> np.ndarray:
        return draw_found(frame, found, self.class_names, enlarge=False)

    def _run(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Boxes, scores and classes of each image (3, H, W)."""
        if self._batch is None:
            return [
                tuple(self._session.run(self._outputs[:3], {self._input: image}))
                for image in images
            ]
        number = self._batch if isinstance(self._batch, int) else len(images)
        found: list[tuple[np.ndarray, ...]] = []
        for start in range(0, len(images), number):
            part = images[start : start + number]
            full = part + part[-1:] * (number - len(part))  # a fixed batch has to be full
            *outputs, owners = self._session.run(self._outputs, {self._input: np.stack(full)})
            found += [tuple(x[owners == i] for x in outputs) for i in range(len(part))]
        return found
