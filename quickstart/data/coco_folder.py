"""Writer of generated scenes in the folder layout of COCO 2017."""

import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sepc.data.progress import progress as with_progress

from .canvas import Scene
from .categories import category_table
from .polygons import mask_to_polygons, mask_to_run_lengths
from .scenes import GENERATOR_VERSION, generate_scene
from .shift import SHIFTS, check_shifts, shift_image

#: Lies in every generated folder and tells how it was made.
SETTINGS_FILE = "generated.json"
#: With fewer images than this, other processes take longer to start than they save.
IN_ONE_PROCESS = 500

_JPEG_FLAGS = [
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    # full resolution of color: the smallest objects have four pixels
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
]


def write_dataset(
    folder: str | os.PathLike[str],
    *,
    train_images: int = 800,
    val_images: int = 200,
    image_size: int | tuple[int, int] = 128,
    seed: int = 0,
    categories: str = "shapes",
    shifts: Sequence[str] = (),
    sizes: tuple[float, float] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> bool:
    """Generate a data set, unless the folder has it already.

    The folder has COCO's layout: ``annotations/instances_train2017.json``,
    ``annotations/instances_val2017.json``, ``train2017/000000000001.jpg`` ... and ``val2017/...``.
    It appears when it is complete, and not before.

    Args:
        folder: where to put it; folders above it are made.
        train_images, val_images: at least 1 each. More images leave the first ones as they are.
        image_size: in pixels, of a square or as ``(height, width)``.
        seed: other seeds give other scenes.
        categories: ``"shapes"``, or ``"coco"`` for a stand-in of COCO with its 80 categories: in a
            folder named ``coco``, Detectron2 finds it as ``coco_2017_train`` and ``coco_2017_val``.
        shifts: names in :data:`~quickstart.data.shift.SHIFTS` that change how the same scenes look.
        sizes: range of the objects' longer sides in pixels, see
            :func:`~quickstart.data.scenes.generate_scene`; None for COCO's shares.
        overwrite: replace a data set that was generated with other settings.
        progress: show it.

    Returns:
        True if it was written, False if the folder had it.

    Raises:
        ValueError: for settings out of range, or if the folder has a data set of other settings.
        FileExistsError: if the folder holds anything that was not generated (even with
            ``overwrite``).
        OSError: if it can't be written (``PermissionError`` and so on, naming the folder).
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if train_images < 1 or val_images < 1:
        raise ValueError(
            f"expected at least one image per split, got train {train_images}, val {val_images}"
        )
    names, shape_ids = category_table(categories)
    generate_scene(  # checks
        seed=seed, split="train", index=0, height=height, width=width, sizes=sizes
    )
    check_shifts(shifts)
    settings = {
        "generator": GENERATOR_VERSION,
        "train_images": train_images,
        "val_images": val_images,
        "height": height,
        "width": width,
        "seed": seed,
        "categories": categories,
        "shifts": [name for name in SHIFTS if name in shifts],
        "sizes": list(sizes) if sizes else None,
    }
    folder = Path(folder).expanduser().resolve()
    if _is_there(folder, settings, overwrite):
        return False
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    with _naming(folder):
        try:
            (partial / "annotations").mkdir(parents=True)
            for split, count in (("train", train_images), ("val", val_images)):
                (partial / f"{split}2017").mkdir()
                content = {
                    "info": _info(settings),
                    "licenses": [{"id": 1, "name": "Apache-2.0", "url": ""}],
                    "images": [],
                    "annotations": [],
                    "categories": [
                        {"id": number, "name": name, "supercategory": "object"}
                        for number, name in names.items()
                    ],
                }
                scenes = _scenes(settings, split, count)
                scenes = with_progress(
                    scenes, total=count, description=f"{split} images", show=progress
                )
                for number, scene in enumerate(scenes, start=1):
                    _add_scene(content, scene, number, shape_ids, partial / f"{split}2017")
                path = partial / "annotations" / f"instances_{split}2017.json"
                path.write_text(json.dumps(content, separators=(",", ":")))
            (partial / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")
            return _put_in_place(partial, folder, settings, overwrite)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _scenes(settings: dict[str, Any], split: str, count: int) -> Iterator[Scene]:
    """Generate the scenes of a split in their order, many of them on all cores."""
    make = functools.partial(_make_scene, settings, split)
    if count < IN_ONE_PROCESS:
        yield from map(make, range(count))
        return
    # as in a DataLoader: "spawn" would run a caller's script that has no `if __name__` once more
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        yield from pool.map(make, range(count), chunksize=16)


def _make_scene(settings: dict[str, Any], split: str, index: int) -> Scene:
    size = dict(height=settings["height"], width=settings["width"])
    where = dict(seed=settings["seed"], split=split, index=index)
    scene = generate_scene(**where, **size, sizes=settings["sizes"])
    if not settings["shifts"]:
        return scene
    image = shift_image(scene.image, settings["shifts"], **where)
    return dataclasses.replace(scene, image=image)


def _is_there(folder: Path, settings: dict[str, Any], overwrite: bool) -> bool:
    """Whether the folder holds this data set; raises if it holds what must stay."""
    with _naming(folder):
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return False
    try:
        # what was not told before there was a choice
        found = {"shifts": [], "sizes": None, **json.loads((folder / SETTINGS_FILE).read_text())}
        different = {key: found.get(key) for key in settings if found.get(key) != settings[key]}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise FileExistsError(
            f"{folder} exists and is no generated data set (no readable {SETTINGS_FILE} in it): "
            "move it away or choose another folder"
        ) from error
    if different and not overwrite:
        pairs = ", ".join(
            f"{key} {value} (asked for: {settings[key]})" for key, value in different.items()
        )
        raise ValueError(
            f"{folder} holds a data set that was generated with other settings: {pairs}. "
            "Choose another folder, or overwrite it (overwrite=True, --overwrite)"
        )
    return not different


def _put_in_place(partial: Path, folder: Path, settings: dict[str, Any], overwrite: bool) -> bool:
    if _is_there(folder, settings, overwrite):  # another process was faster
        return False
    old = partial.with_suffix(partial.suffix + ".old")
    if folder.exists():
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return True


@contextlib.contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Add the folder to errors of the file system."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise OSError(
            error.errno, f"can't write the generated data set to {folder}: {error.strerror}"
        ) from error


def _info(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "Generated scenes in COCO's format",
        "version": str(GENERATOR_VERSION),
        "year": 2017,
        "contributor": "sepc.data",
        "url": "",
        "date_created": "",
        "settings": settings,
    }


def _add_scene(
    content: dict[str, Any], scene: Scene, image_id: int, shape_ids: list[int], folder: Path
) -> None:
    """Write the image of one scene and append its entries to the content of the json."""
    file_name = f"{image_id:012d}.jpg"
    written, jpeg = cv2.imencode(".jpg", scene.image[..., ::-1], _JPEG_FLAGS)
    if not written:
        raise OSError(f"OpenCV can't encode {file_name} as JPEG")
    (folder / file_name).write_bytes(jpeg.tobytes())
    height, width = scene.image.shape[:2]
    content["images"].append(
        {"id": image_id, "file_name": file_name, "height": height, "width": width, "license": 1}
    )
    for thing in scene.objects:
        rows = np.flatnonzero(thing.mask.any(axis=1))
        columns = np.flatnonzero(thing.mask.any(axis=0))
        corner = [float(columns[0]), float(rows[0])]
        sides = [float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1)]
        to_coco = mask_to_run_lengths if thing.crowd else mask_to_polygons
        content["annotations"].append(
            {
                "id": len(content["annotations"]) + 1,
                "image_id": image_id,
                "category_id": shape_ids[thing.label],
                "bbox": corner + sides,
                "area": float(thing.mask.sum()),
                "iscrowd": int(thing.crowd),
                "segmentation": to_coco(thing.mask),
            }
        )
