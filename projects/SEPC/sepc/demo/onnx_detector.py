"""An exported detector in ONNX Runtime, on images of any size; torch is not needed."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .detections import Detections, draw_found

_OUTPUTS = ("boxes", "scores", "classes")
_OWNERS = "images"


class OnnxDetector:
    """A file that ``tools/export_model.py`` or the quick start has written.

    An image is brought to the size that the file works at, keeping its proportions: to the fixed
    size of the file, padded at the bottom and on the right with the mean color, or as its
    ``resize_short_edge`` and ``resize_max`` say.

    Args:
        path: the ONNX file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no detector of ours.
        ImportError: if ONNX Runtime is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import onnxruntime

        if not Path(path).is_file():
            raise FileNotFoundError(f"the ONNX file {os.fspath(path)} does not exist")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        try:
            self._session: Any = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own have no common base
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{os.fspath(path)} is no ONNX file: {reason}") from error
        inputs = self._session.get_inputs()
        names = [output.name for output in self._session.get_outputs()]
        rank = len(inputs[0].shape) if len(inputs) == 1 else 0
        if rank not in (3, 4) or not set(_OUTPUTS) <= set(names):
            raise ValueError(
                f"{os.fspath(path)}: expected one image as input and the outputs {_OUTPUTS}, "
                f"got {[x.name for x in inputs]} and {names}"
            )
        self._input = inputs[0].name
        self._type = np.uint8 if "uint8" in inputs[0].type else np.float32
        self._batch = inputs[0].shape[0] if rank == 4 else None
        size = inputs[0].shape[-2:]
        self._size = (size[0], size[1]) if all(isinstance(side, int) for side in size) else None
        self._outputs = [*_OUTPUTS, *([_OWNERS] if _OWNERS in names else [])]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    @property
    def class_names(self) -> list[str] | None:
        """K names, None if the file has none."""
        return next(csv.reader([self.metadata.get("class_names", "")]), None) or None

    @property
    def category_ids(self) -> list[int] | None:
        ids = self.metadata.get("category_ids", "")
        return [int(i) for i in ids.split(",")] if ids else None

    @property
    def score_threshold(self) -> float:
        """What the file itself leaves out."""
        return float(self.metadata.get("score_threshold", 0))

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """What is found in each of several images (H, W, 3), uint8, BGR, of one size."""
        prepared = [self.prepare(image) for image in images]
        pixels = [x for x, _, _ in prepared]
        found = []
        for (boxes, scores, classes), (_, scale_x, scale_y), image in zip(
            self._run(pixels), prepared, images, strict=True
        ):
            boxes = boxes / np.array([scale_x, scale_y] * 2, np.float32)
            height, width = image.shape[:2]
            boxes = boxes.clip(0, np.array([width, height] * 2, np.float32))
            seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # not on the padding
            found.append(Detections(boxes[seen], scores[seen], classes[seen]))
        return found

    def draw(self, image: np.ndarray, found: Detections) -> np.ndarray:
        return draw_found(image, found, self.class_names, enlarge=True)

    def draw_frame(self, frame: np.ndarray, found: Detections) -> np.ndarray:
        return draw_found(frame, found, self.class_names, enlarge=False)

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The file's input (3, H, W) and by what the image was scaled, in x and in y."""
        height, width = image.shape[:2]
        wanted_height, wanted_width = self._scaled_size(height, width)
        if self.metadata.get("input_format", "RGB") == "RGB":
            image = image[:, :, ::-1]
        if (wanted_height, wanted_width) != (height, width):
            method = cv2.INTER_AREA if wanted_height < height else cv2.INTER_LINEAR
            size = (wanted_width, wanted_height)
            image = cv2.resize(np.ascontiguousarray(image), size, interpolation=method)
        pixels = self._padded(image).astype(self._type).transpose(2, 0, 1)
        return np.ascontiguousarray(pixels), wanted_width / width, wanted_height / height

    def _scaled_size(self, height: int, width: int) -> tuple[int, int]:
        if self._size is not None:
            scale = min(self._size[0] / height, self._size[1] / width)
        elif "resize_short_edge" in self.metadata:
            scale = float(self.metadata["resize_short_edge"]) / min(height, width)
            longest = float(self.metadata.get("resize_max", "inf"))
            scale = min(scale, longest / max(height, width))
        else:
            return height, width
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    def _padded(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        least = int(self.metadata.get("min_size", "1"))
        wanted = self._size or (max(height, least), max(width, least))
        if wanted == (height, width):
            return image
        mean = [float(x) for x in self.metadata.get("pixel_mean", "0,0,0").split(",")]
        padded = np.empty((*wanted, 3), image.dtype)
        padded[:] = np.round(mean).astype(image.dtype)
        padded[:height, :width] = image
        return padded

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
