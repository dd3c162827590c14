"""Preparation of images for an exported file, and of its boxes: numpy and Pillow, no torch.

Everything follows from the texts of the file (``metadata``, see docs/export.md). This module
imports nothing else of the package, so that a server can also take a copy of it.
"""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

# modes of Pillow whose pixels have more than 8 bits, which it cuts off above 255
_DEEP_MODES = ("I", "F", "I;16")
_ORIENTATION = 0x0112  # of EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PreparedImage(NamedTuple):
    """Input of a file, and where the image is in it.

    Attributes:
        pixels: (3, H', W') uint8, in the file's order of channels.
        content_size: height and width of the resized image; what lies to its right and below is
            padding.
        image_size: height and width of the image itself.
    """

    pixels: np.ndarray
    content_size: tuple[int, int]
    image_size: tuple[int, int]


_VIDEOS = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image file as it is shown, after EXIF's orientation: (H, W, 3) uint8, BGR.

    By Pillow, so that the pixels are those that Detectron2 reads in training and evaluation.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: one line that names the file, if it is no image, is damaged or cut off, has
            pixels of more than 8 bits, or more of them than Pillow takes (179 million).
    """
    name = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"the image {name} does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, of palettes with transparency
            with Image.open(path) as image:
                if problem := problem_of(image):
                    raise ValueError(f"it {problem}")
                turned = _UPRIGHT.get(orientation(image))
                upright = image if turned is None else image.transpose(turned)
                return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[..., ::-1])
    except Exception as error:  # Pillow's plugins raise whatever their parsers run into
        is_video = os.path.splitext(name)[1].lower() in _VIDEOS
        hint = "; a video goes to --video-input of the demo" if is_video else ""
        raise ValueError(f"{name}: expected an image, {reason_of(error, path)}{hint}") from error


def problem_of(image: Image.Image) -> str:
    """Why an image that opens can't be used, as readers would not agree on it; empty if it can."""
    if image.mode.startswith(_DEEP_MODES):
        return f"has pixels of {image.mode}, not 8 bits"
    if image.format == "TIFF" and orientation(image) > 1:  # Pillow turns it, Detectron2 once more
        return "is a TIFF file that is turned by its orientation, expected an upright one"
    return ""


def reason_of(error: Exception, path: str | os.PathLike[str]) -> str:
    """What Pillow says of a file, in one line and without the path."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return reason.replace(f" {os.fspath(path)!r}", "")


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 is upright, as is an image whose EXIF can't be read."""
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # damaged: Detectron2 takes such an image for upright
        return 1
    return value if value in _UPRIGHT else 1


def detect_in_image(
    pixels: np.ndarray,
    run: Callable[[np.ndarray], Sequence[np.ndarray]],
    metadata: Mapping[str, str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detect in an image: boxes (D, 4) in pixels of it, scores (D,) and classes (D,), best first.

    Args:
        pixels: (H, W, 3) uint8, BGR, as OpenCV reads an image.
        run: the file: (3, H', W') uint8 -> boxes, scores, classes.
        metadata: texts of the file.

    Raises:
        ValueError: see :func:`check_outputs`.
    """
    prepared = prepare_image(pixels, metadata)
    boxes, scores, classes = (np.asarray(x) for x in run(prepared.pixels)[:3])
    check_outputs(boxes, scores, classes)
    boxes, seen = restore_boxes(boxes, prepared, metadata)
    return boxes[seen], scores[seen], classes[seen]


def prepare_image(pixels: np.ndarray, metadata: Mapping[str, str]) -> PreparedImage:
    """Resize an image as in the evaluation of the model, order its channels, and pad it.

    Args:
        pixels: (H, W, 3) uint8, BGR.
        metadata: texts of the file.
    """
    height, width = pixels.shape[:2]
    content_size = resized_size(height, width, metadata)
    order = 1 if metadata.get("input_format") == "BGR" else -1
    resized = resize(pixels, content_size)[..., ::order].transpose(2, 0, 1)
    return PreparedImage(pad(resized, metadata), content_size, (height, width))


def restore_boxes(
    boxes: np.ndarray, prepared: PreparedImage, metadata: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (D, 4) in pixels of the image, and which have an area on it (D,) bool.

    Boxes with ``inclusive_boxes`` are taken to the width of the annotation as in
    :class:`sepc.d2.mmdet1.InclusiveBoxes`.

    Args:
        boxes: (D, 4), as the file gives them.
        prepared: what it was given.
        metadata: texts of the file.
    """
    height, width = prepared.image_size
    # (x, y): multiplied as Detectron2 does, to be equal to the last bit
    scale = width / prepared.content_size[1], height / prepared.content_size[0]
    limit = np.array([width, height] * 2, np.float32)
    restored = (boxes * np.array(scale * 2, np.float32)).clip(0, limit)
    seen = np.all(restored[:, 2:] > restored[:, :2], axis=1)
    if metadata.get("inclusive_boxes") == "true":
        restored[:, 2:] += np.array([1 - s for s in scale], np.float32)
    return restored, seen


def check_outputs(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> None:
    """Check that what a file has found is boxes (D, 4), scores (D,) and classes (D,) from 0.

    Raises:
        ValueError: for other shapes or types, numbers that are not finite, and negative classes.
    """
    kinds = boxes.dtype.kind + scores.dtype.kind + classes.dtype.kind
    shapes = boxes.shape, scores.shape, classes.shape
    count = boxes.shape[:1]
    if shapes != ((*count, 4), count, count) or kinds not in ("ffi", "ffu"):
        types = boxes.dtype, scores.dtype, classes.dtype
        raise ValueError(
            "expected the file to find boxes (D, 4), scores (D,) and whole classes (D,), got "
            + ", ".join(f"{t} {s}" for t, s in zip(types, shapes, strict=True))
        )
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError("expected the file to find finite boxes and scores, got NaN or infinity")
    if (classes < 0).any():
        raise ValueError(f"expected the file to find classes from 0, got {classes.min()}")


def resized_size(height: int, width: int, metadata: Mapping[str, str]) -> tuple[int, int]:
    """Height and width at which a file sees an image, without padding; proportions are kept.

    As large as fits into the size of the file if it has one; else the shorter edge becomes
    ``resize_short_edge``, as far as the longer one stays within ``resize_max``, rounded as in
    Detectron2's ``ResizeShortestEdge``; else the image's own.
    """
    fixed = _fixed_size(metadata)
    if fixed is not None:
        scale = min(fixed[0] / height, fixed[1] / width)
        sides = height * scale, width * scale
    elif "resize_short_edge" in metadata:
        short = float(metadata["resize_short_edge"])
        longest = float(metadata.get("resize_max", "inf"))
        scale = short / min(height, width)
        sides = (short, scale * width) if height < width else (scale * height, short)
        if max(sides) > longest:
            scale = longest / max(sides)
            sides = sides[0] * scale, sides[1] * scale
    else:
        return height, width
    return max(1, int(sides[0] + 0.5)), max(1, int(sides[1] + 0.5))


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (H, W, 3) uint8 to ``size``, by Pillow's bilinear filter as Detectron2 does."""
    if pixels.shape[:2] == size:
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def pad(pixels: np.ndarray, metadata: Mapping[str, str]) -> np.ndarray:
    """Pad (3, H, W) with the mean color to the size of a file, or to its least one.

    The image stays in the upper left corner. A larger one than the file takes stays as it is.
    """
    height, width = pixels.shape[1:]
    least = (int(metadata.get("min_size", "1")),) * 2
    wanted = _fixed_size(metadata) or least
    bottom, right = max(0, wanted[0] - height), max(0, wanted[1] - width)
    if not (bottom or right):
        return np.ascontiguousarray(pixels)
    mean = [float(x) for x in metadata.get("pixel_mean", "0,0,0").split(",")]
    padded = np.empty((3, height + bottom, width + right), pixels.dtype)
    padded[:] = np.round(mean).astype(pixels.dtype)[:, None, None]
    padded[:, :height, :width] = pixels
    return padded


def _fixed_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    text = metadata.get("image_size", "dynamic")
    if text == "dynamic":
        return None
    height, width = (int(x) for x in text.split(","))
    return height, width
