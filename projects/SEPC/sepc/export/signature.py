"""Signature of an exported detector and other texts that its file carries, in every format."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

#: Changes when a reader of older files would go wrong.
FORMAT_VERSION = 1

FORMATS = ("onnx", "torchscript", "torch-export", "openvino")

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
        if not fits or str(images.dtype) != "torch.uint8":
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


def metadata_to_json(metadata: Mapping[str, str]) -> str:
    """Texts of a file as one."""
    return json.dumps(dict(metadata))


def metadata_from_json(path: str | os.PathLike[str], text: str | bytes) -> dict[str, str]:
    """Texts of a file from one, the reverse of :func:`metadata_to_json`.

    Raises:
        ValueError: names ``path``, if the text is not what this package writes.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} was not written by sepc: it has no metadata") from error
    if not isinstance(content, dict) or not all(isinstance(x, str) for x in content.values()):
        raise ValueError(f"{path}: expected texts by name as metadata, got {text[:80]!r}")
    return content


class _Numbers(NamedTuple):
    """Rule of a text: how many numbers (0 for any), of a type, their range, words instead."""

    amount: int
    type: type[int] | type[float]
    low: float
    high: float
    words: tuple[str, ...] = ()

    def fits(self, text: str) -> bool:
        if text in self.words:
            return True
        try:
            numbers = [self.type(x) for x in text.split(",")]
        except ValueError:
            return False
        return self.amount in (0, len(numbers)) and all(self.low <= x <= self.high for x in numbers)

    def __str__(self) -> str:
        words = "".join(f"{word!r} or " for word in self.words)
        kind = "whole number(s)" if self.type is int else "number(s)"
        return f"{words}{self.amount or 'some'} {kind} from {self.low:g} to {self.high:g}"


_LARGEST_SIDE = 2**16  # in pixels, that a file may ask for
_NUMBERS = {
    "format_version": _Numbers(1, int, 1, 2**31),
    "image_size": _Numbers(2, int, 1, _LARGEST_SIDE, (ANY,)),
    "batch": _Numbers(1, int, 1, 2**31, ("none", ANY)),
    "min_size": _Numbers(1, int, 1, _LARGEST_SIDE),
    "resize_short_edge": _Numbers(1, float, 1, _LARGEST_SIDE),
    "resize_max": _Numbers(1, float, 1, 2**63),
    "score_threshold": _Numbers(1, float, 0, 1),
    "shown_score": _Numbers(1, float, 0, 1),
    "pixel_mean": _Numbers(3, float, 0, 255),
    "category_ids": _Numbers(0, int, -(2**53), 2**53, ("",)),
}


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Check the texts of a file: numbers in range, and a version that this reader knows.

    Raises:
        ValueError: names the text, what was expected and what came.
    """
    for name, rule in _NUMBERS.items():
        text = metadata.get(name)
        if text is not None and not rule.fits(text):
            raise ValueError(f"expected {name} of {rule} in the file's texts, got {text[:80]!r}")
    version = metadata.get("format_version", str(FORMAT_VERSION))
    if int(version) > FORMAT_VERSION:
        raise ValueError(
            f"expected a file of format version {FORMAT_VERSION} or older, got {version}"
        )
