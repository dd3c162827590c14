"""Signature of an exported detector and other texts that its file carries, in every format."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Changes when a reader of older files would go wrong.
FORMAT_VERSION = 1

FORMATS = ("onnx", "torchscript", "torch-export")

#: boxes (D, 4) float32 in pixels of the image, scores (D,) float32, classes (D,) int64
OUTPUT_NAMES = ("boxes", "scores", "classes")
#: of a file that takes several images: which image a detection is of, (D,) int64
OWNERS = "images"
#: of a detector that predicts masks: (D, 1, h, w) float32 in [0, 1], each over its own box
MASKS = "masks"
INPUT_NAME = "image"

ANY = "dynamic"


@dataclass(frozen=True)
class Signature:
    """Input of an exported detector, uint8 pixels, and its outputs.

    Args:
        image_size: height and width; None for any from ``min_size`` up.
        batch: None for one image (3, H, W), otherwise (N, 3, H, W) with this number of images, or
            ``"dynamic"`` for any.
        min_size: smallest height and width, in pixels.
        masks: whether there are masks.

    Raises:
        ValueError: for numbers out of range.
    """

    image_size: tuple[int, int] | None = None
    batch: int | str | None = None
    min_size: int = 1
    masks: bool = False

    def __post_init__(self) -> None:
        if self.image_size is not None and min(self.image_size) < 1:
            raise ValueError(f"expected an image size of positive sides, got {self.image_size}")
        if self.batch not in (None, ANY) and (not isinstance(self.batch, int) or self.batch < 1):
            raise ValueError(f"expected a batch of 1 or more or {ANY!r}, got {self.batch!r}")
        if self.min_size < 1:
            raise ValueError(f"expected min_size of 1 or more, got {self.min_size}")

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs in their order."""
        names = OUTPUT_NAMES if self.batch is None else (*OUTPUT_NAMES, OWNERS)
        return (*names, MASKS) if self.masks else names

    @property
    def dynamic_axes(self) -> dict[int, str]:
        """Names of the axes of the input that may change."""
        first = 0 if self.batch is None else 1  # of the channels
        axes = {0: "batch"} if self.batch == ANY else {}
        return axes if self.image_size else {**axes, first + 1: "height", first + 2: "width"}

    def check(self, images: Tensor) -> None:
        """Check a batch, or an image, against the signature.

        Raises:
            ValueError: unless ``images`` are what the file takes; says what is expected.
        """
        expected: list[int | str] = (
            [3, "H", "W"] if self.image_size is None else [3, *self.image_size]
        )
        if self.batch is not None:
            expected.insert(0, "N" if self.batch == ANY else self.batch)
        fits = images.dim() == len(expected) and all(
            isinstance(e, str) or e == size for e, size in zip(expected, images.shape, strict=True)
        )
        if not fits or images.dtype != torch.uint8:
            text = ", ".join(map(str, expected))
            raise ValueError(
                f"expected uint8 pixels of shape ({text}), "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        if self.image_size is None and min(images.shape[-2:]) < self.min_size:
            raise ValueError(
                f"expected images of at least {self.min_size} x {self.min_size} pixels, "
                f"got {images.shape[-2]} x {images.shape[-1]}"
            )

    def as_text(self) -> dict[str, str]:
        """Texts for the metadata of the file."""
        size = ANY if self.image_size is None else ",".join(map(str, self.image_size))
        return {
            "image_size": size,
            "batch": "none" if self.batch is None else str(self.batch),
            "min_size": str(self.min_size),
            "outputs": ",".join(self.output_names),
        }

    @classmethod
    def from_text(cls, metadata: Mapping[str, str]) -> Signature:
        """Signature from such texts; without them, one image of any size."""
        size, batch = metadata.get("image_size", ANY), metadata.get("batch", "none")
        height_width = None if size == ANY else tuple(int(x) for x in size.split(","))
        return cls(
            image_size=height_width,  # type: ignore[arg-type]
            batch=None if batch == "none" else batch if batch == ANY else int(batch),
            min_size=int(metadata.get("min_size", "1")),
            masks=MASKS in metadata.get("outputs", "").split(","),
        )


def join_names(names: Sequence[str]) -> str:
    """Names in one line with commas between them; one that has a comma itself is quoted, as in csv.

    Raises:
        ValueError: for a name with a line break.
    """
    if any("\n" in name or "\r" in name for name in names):
        raise ValueError(f"expected names of one line, got {list(names)}")
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def split_names(text: str) -> list[str]:
    """Names from such a line: the reverse of :func:`join_names`."""
    return next(csv.reader([text]), [])


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Check that this reader knows the version of a file.

    Raises:
        ValueError: if the file is of a newer version than this reader knows.
    """
    version = metadata.get("format_version", str(FORMAT_VERSION))
    if int(version) > FORMAT_VERSION:
        raise ValueError(
            f"expected a file of format version {FORMAT_VERSION} or older, got {version}"
        )
