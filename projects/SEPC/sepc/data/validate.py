"""Check of data in COCO's format before a training depends on it."""

import json
import math
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

_IMAGE_KEYS = ("id", "file_name", "height", "width")
_ANNOTATION_KEYS = ("id", "image_id", "category_id", "bbox")
_SCORING_KEYS = ("area", "iscrowd")
_NAMED = 5


def validate_coco(
    json_path: str | os.PathLike[str],
    image_folder: str | os.PathLike[str],
    *,
    evaluation: bool = False,
) -> None:
    """Check a file of COCO's instance annotations and that its images are there.

    The images are looked up in a listing of their folder; they are not opened.

    Args:
        json_path: the annotation file.
        image_folder: what the file names in it are relative to.
        evaluation: check what scoring with COCO's metrics needs (``area`` and ``iscrowd`` of each
            annotation) rather than what training needs. A file without ``annotations``, such as
            COCO's list of test images, is fine then: it can be run on, but not scored.

    Raises:
        FileNotFoundError: if the file, the folder or an image is missing.
        ValueError: if the content is not what COCO's format asks for. The message names the path
            and what is wrong.
    """
    json_path, image_folder = Path(json_path), Path(image_folder)
    content = _load(json_path)
    if not image_folder.is_dir():
        raise FileNotFoundError(f"the image folder {image_folder} of {json_path} does not exist")
    sections = ["images", "categories"]
    if not evaluation or "annotations" in content:
        sections.append("annotations")
    for section in sections:
        if not isinstance(content.get(section), list):
            raise ValueError(f'{json_path}: expected a list "{section}", {_found(content)}')
    try:
        if not content["images"] or not content["categories"]:
            raise ValueError("expected at least one image and one category")
        image_ids = _unique_ids(content["images"], "image", _IMAGE_KEYS)
        category_ids = _unique_ids(content["categories"], "category", ("id", "name"))
        if "annotations" in content:
            annotations = content["annotations"]
            keys = _ANNOTATION_KEYS + (_SCORING_KEYS if evaluation else ())
            _unique_ids(annotations, "annotation", keys)
            _check_annotations(annotations, image_ids, category_ids)
    except ValueError as error:
        raise ValueError(f"{json_path}: {error}") from error
    _check_images([image["file_name"] for image in content["images"]], image_folder, json_path)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"the annotation file {path} does not exist")
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content


def _found(content: dict[str, Any]) -> str:
    return f"got the keys {', '.join(sorted(content)) or '(none)'}"


def _unique_ids(entries: list[Any], kind: str, keys: tuple[str, ...]) -> set[Any]:
    """Check that each entry has the keys, and that no two have the same id."""
    needed, ids = set(keys), set()
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(
                f"expected {kind} {position} to be an object, got {type(entry).__name__}"
            )
        if not needed <= entry.keys():
            missing = ", ".join(key for key in keys if key not in entry)
            raise ValueError(f"{kind} {entry.get('id', f'number {position}')} lacks {missing}")
        if not isinstance(entry["id"], int):
            raise ValueError(f"expected integer ids, got {kind} {entry['id']!r}")
        ids.add(entry["id"])
    if len(ids) < len(entries):
        raise ValueError(f"{len(entries) - len(ids)} {kind} ids are used more than once")
    return ids


def _check_annotations(annotations: list[Any], image_ids: set[Any], category_ids: set[Any]) -> None:
    isfinite = math.isfinite
    for annotation in annotations:
        image_id, category_id = annotation["image_id"], annotation["category_id"]
        try:
            if image_id not in image_ids:
                raise ValueError(f"refers to image {image_id}, which is not in the file")
            if category_id not in category_ids:
                raise ValueError(f"refers to category {category_id}, which is not in the file")
            try:
                x, y, width, height = annotation["bbox"]
                fine = isfinite(x) and isfinite(y) and isfinite(width) and isfinite(height)
                fine = fine and width >= 0 and height >= 0
            except (TypeError, ValueError):
                fine = False
            if not fine:
                raise ValueError(
                    "expected bbox [x, y, width, height] of finite numbers and no negative size, "
                    f"got {annotation['bbox']}"
                )
        except (ValueError, TypeError) as error:
            raise ValueError(f"annotation {annotation['id']} {error}") from error


def _check_images(file_names: list[str], folder: Path, json_path: Path) -> None:
    """Look for the images by listing each folder once, which is faster than asking for each."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for file_name in file_names:
        subfolder, name = os.path.split(file_name)
        wanted[subfolder].add(name)
    missing = []
    for subfolder, names in wanted.items():
        try:
            with os.scandir(folder / subfolder) as entries:
                found = {entry.name for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            found = set()
        missing += [os.path.join(subfolder, name) for name in names - found]
    if missing:
        first = ", ".join(sorted(missing)[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        raise FileNotFoundError(
            f"{len(missing)} of {len(file_names)} images that {json_path} lists are not in "
            f"{folder}: {first}"
        )
