"""Check of image files by their headers: they open, and have the size that annotations name."""

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..export.preprocess import orientation, problem_of, reason_of
from ..files import atomic_write
from .progress import progress

_NAMED = 5


class Header(NamedTuple):
    """What the header of an image file says; ``problem`` is empty where it can be used.

    ``width`` and ``height`` are those of the image as shown, after EXIF's orientation.
    """

    width: int
    height: int
    problem: str


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header of an image file, not its pixels; never raises for what is in the file."""
    from PIL import Image

    try:
        if not os.path.getsize(path):
            return Header(0, 0, "is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if orientation(image) > 4:  # turned by a quarter
                    width, height = height, width
                return Header(width, height, problem_of(image))
    except Exception as error:  # Pillow's plugins raise whatever their parsers run into
        return Header(0, 0, f"cannot be opened as an image: {reason_of(error, path)}")


def check_image_files(
    images: Sequence[dict[str, Any]],
    folder: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str],
    show_progress: bool = True,
) -> None:
    """Check that every image opens, is of 8 bits, and has the size that the annotations name.

    Headers are kept in a cache file of the user's, by the time and size of each image file, so that
    a second check of the same folder only looks at these.

    Args:
        images: of an annotation file, as :func:`~sepc.data.validate.validate_coco` lets pass.
        folder: what their ``file_name`` is relative to.
        source: the annotation file, for messages.

    Raises:
        ValueError: one line that names the first files and what is wrong with each.
    """
    folder = Path(folder).absolute()
    cache = _Cache(folder)
    wrong = []
    steps = progress(images, total=len(images), description="checking images")
    for image in steps if show_progress and len(images) > 2000 else images:
        header = cache.header(image["file_name"])
        expected = (image["width"], image["height"])
        if header.problem:
            wrong.append(f"{image['file_name']} {header.problem}")
        elif (header.width, header.height) != expected:
            turned = " (turned by its EXIF orientation)" * (expected[::-1] == header[:2])
            wrong.append(
                f"{image['file_name']} is {header.width} x {header.height}{turned}, expected "
                f"{expected[0]} x {expected[1]} (width x height)"
            )
    cache.save()
    if wrong:
        first = "; ".join(wrong[:_NAMED]) + (f"; and {len(wrong) - _NAMED} more" * (len(wrong) > 5))
        raise ValueError(f"{len(wrong)} of {len(images)} images of {source} can't be used: {first}")


class _Cache:
    """Headers of a folder's images, kept between runs where the user's cache can be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        self.path = Path(base) / "sepc" / f"images-{digest}.json"
        self.known: dict[str, list[Any]] = {}
        self.changed = False
        with contextlib.suppress(OSError, ValueError):  # none yet, or damaged: read anew
            content = json.loads(self.path.read_text(encoding="utf-8"))
            self.known = content if isinstance(content, dict) else {}

    def header(self, file_name: str) -> Header:
        path = self.folder / file_name
        try:
            status = path.stat()
        except OSError as error:
            return Header(0, 0, f"cannot be read: {error.strerror}")
        stamp = [status.st_mtime_ns, status.st_size]
        entry = self.known.get(file_name)
        if isinstance(entry, list) and len(entry) == 5 and entry[:2] == stamp:
            return Header(*entry[2:])
        header = read_header(path)
        self.known[file_name] = [*stamp, *header]
        self.changed = True
        return header

    def save(self) -> None:
        if self.changed:
            with contextlib.suppress(OSError), atomic_write(self.path) as partial:
                partial.write_text(json.dumps(self.known), encoding="utf-8")
