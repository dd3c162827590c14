"""Demo detector: an exported file in ONNX Runtime or OpenVINO, on images of any size."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..export.exported import open_graph
from ..export.preprocess import check_outputs, prepare_image, restore_boxes
from ..export.signature import OUTPUT_NAMES, OWNERS, split_names
from .detections import Detections, draw_found


class OnnxDetector:
    """Detector from an ONNX or OpenVINO file that ``tools/export_model.py`` has written.

    Args:
        path: of the file.
        device: of :data:`sepc.export.devices.DEVICES`.

    Attributes:
        metadata: texts of the file.
        class_names, category_ids: see :class:`.detections.Detector`.
        score_threshold: score below which the file itself leaves out what it finds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no detector of ours, or the runtime has not the device.
        ImportError: if ONNX Runtime or OpenVINO is missing.
    """

    def __init__(self, path: str | os.PathLike[str], device: str = "cpu") -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"the ONNX file {os.fspath(path)} does not exist")
        self._file = open_graph(path, device)
        names = [output.name for output in self._file.outputs]
        shape = self._file.inputs[0].shape if len(self._file.inputs) == 1 else []
        if (
            len(shape) not in (3, 4)
            or (isinstance(shape[-3], int) and shape[-3] != 3)
            or not set(OUTPUT_NAMES) <= set(names)
            or (len(shape) == 4 and OWNERS not in names)
        ):
            raise ValueError(
                f"{os.fspath(path)}: expected one image (3, H, W) or (N, 3, H, W) as input and the "
                f"outputs {OUTPUT_NAMES}, for N images {OWNERS!r} as well, "
                f"got {[(x.name, x.shape) for x in self._file.inputs]} and {names}"
            )
        self._input = self._file.inputs[0].name
        self._type = np.uint8 if "uint8" in self._file.inputs[0].type else np.float32
        self._batch = shape[0] if len(shape) == 4 else None
        self._outputs = [*OUTPUT_NAMES, OWNERS] if len(shape) == 4 else list(OUTPUT_NAMES)
        self.metadata = self._file.metadata
        size = shape[-2:]
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
        """Boxes, scores and classes of each image (3, H, W).

        Raises:
            ValueError: if the file can't be run on them, or finds what is no detection.
        """
        if self._batch is None:
            return [self._checked(self._file.run(self._outputs, {self._input: x})) for x in images]
        number = self._batch if isinstance(self._batch, int) else len(images)
        found: list[tuple[np.ndarray, ...]] = []
        for start in range(0, len(images), number):
            part = images[start : start + number]
            full = part + part[-1:] * (number - len(part))  # a fixed batch has to be full
            *outputs, owners = self._file.run(self._outputs, {self._input: np.stack(full)})
            detections = self._checked(outputs)
            if owners.shape != detections[1].shape:
                raise ValueError(
                    f"expected the file to name the image of each of {len(detections[1])} "
                    f"detections, got {OWNERS} of shape {owners.shape}"
                )
            found += [tuple(x[owners == i] for x in detections) for i in range(len(part))]
        return found

    def _checked(self, outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        boxes, scores, classes = outputs
        check_outputs(boxes, scores, classes)
        if self.category_ids and (classes >= len(self.category_ids)).any():
            raise ValueError(
                f"expected classes below {len(self.category_ids)}, the number of the file's "
                f"category_ids, got {classes.max()}"
            )
        return boxes, scores, classes
