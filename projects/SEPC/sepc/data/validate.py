"""Checks of annotations in COCO's format, all of them, before a training depends on them."""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from .rules import (
    ANNOTATIONS,
    CATEGORIES,
    IMAGES,
    MASKS,
    PICTURED,
    PICTURED_IMAGES,
    RESULTS,
    SCORING,
    Problems,
    Rule,
    check_entries,
    is_whole,
    label,
)

_NAMED = 5


def validate_coco(
    json_path: str | os.PathLike[str],
    image_folder: str | os.PathLike[str],
    *,
    evaluation: bool = False,
    masks: bool = False,
) -> dict[str, Any]:
    """Check a file of COCO's instance annotations, every entry, and that its images are there.

    Images are looked up in a listing of their folder, not opened: see
    :func:`~sepc.data.image_files.check_image_files`.

    Args:
        json_path: the annotation file.
        image_folder: what the file names in it are relative to.
        evaluation: check what scoring with COCO's metrics needs (``area`` and ``iscrowd`` of each
            annotation) rather than what training needs (an object to learn from). A file without
            ``annotations``, such as COCO's list of test images, is fine then: it can be run on,
            but not scored.
        masks: check ``segmentation``, too.

    Returns:
        The content of the file.

    Raises:
        FileNotFoundError: if the file, the folder or an image is missing.
        ValueError: if the content is not what COCO's format asks for. The message is one line with
            the path and each kind of problem: the first entry, the value, how many more.
    """
    json_path, image_folder = Path(json_path), Path(image_folder)
    content = read_json(json_path)
    if not image_folder.is_dir():
        raise FileNotFoundError(f"the image folder {image_folder} of {json_path} does not exist")
    sections = ["images", "categories"]
    if not evaluation or "annotations" in content:
        sections.append("annotations")
    for section in sections:
        if not isinstance(content.get(section), list):
            raise ValueError(f'{json_path}: expected a list "{section}", {_found(content)}')
    try:
        _check_content(content, evaluation=evaluation, masks=masks)
    except ValueError as error:
        raise ValueError(f"{json_path}: {error}") from error
    _check_listing([image["file_name"] for image in content["images"]], image_folder, json_path)
    return content


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        FileNotFoundError, ValueError: naming the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"the annotation file {path} does not exist")
    content = parse_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content


def parse_json(path: Path) -> Any:
    """Content of a JSON file; ValueError, naming the file, if it is not JSON in UTF-8."""
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("it begins with a byte order mark; save it as UTF-8 without one")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def read_annotations(path: str | os.PathLike[str], *, scoring: bool = False) -> dict[str, Any]:
    """Read annotations without their images, to show them or to score detections.

    Args:
        path: of the file.
        scoring: check what COCO's metrics need, too.

    Raises:
        FileNotFoundError, ValueError: naming the file, the first entry and the value.
    """
    content = read_json(Path(path))
    if not all(isinstance(content.get(x), list) for x in ("images", "categories")):
        raise ValueError(f"{path}: expected COCO's instance annotations, {_found(content)}")
    if not isinstance(content.setdefault("annotations", []), list):
        raise ValueError(f'{path}: expected a list "annotations", {_found(content)}')
    problems = _problems(content, PICTURED_IMAGES, PICTURED + (SCORING if scoring else ()))
    if problems:
        raise ValueError(f"{path}: {problems}")
    return content


def read_results(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read detections in COCO's results format.

    Raises:
        OSError, ValueError: naming the file, the first result and the value.
    """
    results = parse_json(Path(path))
    if not isinstance(results, list):
        raise ValueError(f"{path}: expected a list in COCO's results format")
    problems = Problems()
    check_entries(results, "result", RESULTS, problems)
    if problems:
        raise ValueError(f"{path}: expected a list in COCO's results format: {problems}")
    return results


def _found(content: dict[str, Any]) -> str:
    return f"got the keys {', '.join(sorted(content)) or '(none)'}"


def _check_content(content: dict[str, Any], *, evaluation: bool, masks: bool) -> None:
    if not content["images"] or not content["categories"]:
        raise ValueError("expected at least one image and one category")
    rules = ANNOTATIONS + (SCORING if evaluation else ()) + (MASKS if masks else ())
    if problems := _problems(content, IMAGES, rules):
        raise ValueError(str(problems))
    if not evaluation and not any(map(_teaches, content["annotations"])):
        count = len(content["annotations"])
        raise ValueError(
            "expected an object to learn from, got "
            + (f"{count} annotations, each a crowd or of no size" if count else "no annotation")
        )


def _problems(
    content: dict[str, Any], images: tuple[Rule, ...], annotations: tuple[Rule, ...]
) -> Problems:
    """Problems of images and annotations, by rules for their fields, and of categories."""
    problems = Problems()
    image_ids = check_entries(content["images"], "image", images, problems)
    category_ids = check_entries(content["categories"], "category", CATEGORIES, problems)
    names = Counter(x["name"] for x in content["categories"] if _names_something(x))
    for name in (name for name, count in names.items() if count > 1):
        problems.add(f'category name "{name}"', "twice", "is used more than once")
    if "annotations" in content:
        check_entries(content["annotations"], "annotation", annotations, problems)
        for annotation in content["annotations"]:
            if isinstance(annotation, dict):
                _check_reference(annotation, "image", image_ids, problems)
                _check_reference(annotation, "category", category_ids, problems)
    return problems


def _names_something(category: Any) -> bool:
    return isinstance(category, dict) and isinstance(category.get("name"), str)


def _teaches(annotation: dict[str, Any]) -> bool:
    return not annotation.get("iscrowd") and annotation["bbox"][2] > 0 and annotation["bbox"][3] > 0


def _check_reference(
    annotation: dict[str, Any], kind: str, ids: set[Any], problems: Problems
) -> None:
    value = annotation.get(f"{kind}_id")
    if is_whole(value) and value not in ids:
        told = f"refers to {kind} {value}, which is not in the file"
        problems.add(label("annotation", annotation, 0), f"refers to {kind}", told)


def _check_listing(file_names: list[str], folder: Path, json_path: Path) -> None:
    """Look for the images by listing each folder once, which is faster than asking for each."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for file_name in file_names:
        subfolder, name = os.path.split(file_name)
        wanted[subfolder].add(name)
    missing = []
    for subfolder, names in wanted.items():
        try:
            with os.scandir(folder / subfolder) as entries:
                found = {entry.name for entry in entries if entry.is_file()}
        except (FileNotFoundError, NotADirectoryError):
            found = set()
        missing += [os.path.join(subfolder, name) for name in names - found]
    if missing:
        first = ", ".join(sorted(missing)[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        raise FileNotFoundError(
            f"{len(missing)} of {len(file_names)} images that {json_path} lists are not in "
            f"{folder}: {first}"
        )
