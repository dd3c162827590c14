"""Demo on images from files, folders and globs: to pictures or COCO's results."""

import glob
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from ..data.progress import progress
from ..export.preprocess import read_image
from ..files import atomic_write
from ..program import one_line
from ..visualize.drawing import write_picture
from .detections import Detections, Detector

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}

# called with the path, the image and what was found in it; False ends the run
Sink = Callable[[Path, np.ndarray, Detections], bool]
Report = Callable[[str], None]


def expand_inputs(inputs: Sequence[str], report: Report) -> list[Path]:
    """Paths of files, of the images in folders, and of globs, each once.

    What does not exist or holds no image is reported and left out.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given).expanduser()
        if path.is_dir():
            names = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            paths = [p for p in names if p.is_file()]
        elif path.exists():
            paths = [path]
        else:
            paths = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
            paths = [p for p in paths if p.is_file()]
        if not paths:
            report(f"{given}: no image there")
        found.update(dict.fromkeys(paths))
    return list(found)


def run_on_images(
    paths: Sequence[Path],
    detector: Detector,
    sink: Sink,
    *,
    threshold: float,
    batch_size: int,
    report: Report,
    show_progress: bool = True,
) -> int:
    """Detect in one image after the other; consecutive ones of the same size go in a batch.

    Returns:
        the number of images done. What can't be read, detected in or written is reported and left
        out.
    """
    done = 0
    detected = _detect(paths, detector, batch_size, report)
    for path, image, found in progress(
        detected, total=len(paths), description="images", show=show_progress
    ):
        try:
            goes_on = sink(path, image, found.above(threshold))
        except (ValueError, OSError) as error:
            report(f"{path}: {one_line(error)}")
            continue
        done += 1
        if not goes_on:
            break
    return done


def _detect(
    paths: Iterable[Path], detector: Detector, batch_size: int, report: Report
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    for batch in batches(read_all(paths, report), batch_size):
        yield from _detect_batch(batch, detector, report)


def _detect_batch(
    batch: list[tuple[Path, np.ndarray]], detector: Detector, report: Report
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    """Detections of a batch; where it fails, of one image after the other, without the bad ones."""
    try:
        found = detector([image for _, image in batch])
    except (
        ValueError,
        RuntimeError,
        MemoryError,
    ) as error:  # RuntimeError: of torch, as for memory
        if len(batch) == 1:
            report(f"{batch[0][0]}: {one_line(error)}")
        else:
            for single in batch:
                yield from _detect_batch([single], detector, report)
        return
    for (path, image), each in zip(batch, found, strict=True):
        yield path, image, each


def read_all(paths: Iterable[Path], report: Report) -> Iterator[tuple[Path, np.ndarray]]:
    """Images by their paths; what can't be read is reported and left out."""
    for path in paths:
        try:
            image = read_image(path)
        except (ValueError, OSError) as error:
            report(one_line(error))
        else:
            yield path, image


def batches(
    images: Iterable[tuple[Path, np.ndarray]], batch_size: int
) -> Iterator[list[tuple[Path, np.ndarray]]]:
    """Batches of consecutive images of the same size, ``batch_size`` of them at most."""
    for _, same_size in groupby(images, key=lambda item: item[1].shape):
        while batch := list(islice(same_size, batch_size)):
            yield batch


def to_pictures(detector: Detector, output: Path, paths: Sequence[Path]) -> Sink:
    """Sink that draws into a folder, or into one file for one image.

    In a folder a picture has the name of its image, see :func:`names_of_pictures`.

    Raises:
        ValueError: for one file and several images.
    """
    one_file = output.suffix.lower() in SUFFIXES and not output.is_dir()
    if one_file and len(paths) != 1:
        raise ValueError(f"{output}: expected a folder for {len(paths)} images, got a file")
    names = names_of_pictures(paths)

    def sink(path: Path, image: np.ndarray, found: Detections) -> bool:
        target = output if one_file else output / names[path]
        if target.exists() and path.exists() and os.path.samefile(target, path):
            raise ValueError("the picture would take the place of its image; choose another folder")
        write_picture(target, detector.draw(image, found))
        return True

    return sink


def names_of_pictures(paths: Sequence[Path]) -> dict[Path, str]:
    """Name of each picture: that of the image, with a number where two have the same.

    What has another ending than a picture's gets .png.
    """
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        suffix = path.suffix if path.suffix.lower() in SUFFIXES else f"{path.suffix}.png"
        tries = (f"{path.stem}{f'-{n}' if n > 1 else ''}{suffix}" for n in count(1))
        names[path] = next(name for name in tries if name not in taken)
        taken.add(names[path])
    return names


class CocoResults:
    """Sink that collects detections, to be written as a json of COCO's results.

    The ``image_id`` is the number that the file's name is (COCO's files have such names) or, where
    one has another name, its place in the list, from 1. ``file_name`` is given beside it.

    Args:
        paths: all images of the run.
        category_ids: of each class; None counts them from 1.
    """

    def __init__(self, paths: Sequence[Path], category_ids: Sequence[int] | None) -> None:
        stems = [path.stem for path in paths]
        numbered = all(s.isdecimal() for s in stems) and len({int(s) for s in stems}) == len(stems)
        self._ids = {p: int(p.stem) if numbered else i for i, p in enumerate(paths, start=1)}
        self._category_ids = category_ids
        self.results: list[dict[str, Any]] = []

    def __call__(self, path: Path, image: np.ndarray, found: Detections) -> bool:
        for box, score, label in zip(found.boxes, found.scores, found.classes, strict=True):
            x1, y1, x2, y2 = (float(v) for v in box)
            category = self._category_ids[int(label)] if self._category_ids else int(label) + 1
            self.results.append(
                {
                    "image_id": self._ids[path],
                    "file_name": path.name,
                    "category_id": category,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": float(score),
                }
            )
        return True

    def write(self, path: Path) -> None:
        """Write the results as json."""
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(self.results) + "\n")
