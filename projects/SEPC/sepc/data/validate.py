"""Checks of annotations in COCO's format, all of them, before a training depends on them."""

import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

_NAMED = 5
_LARGEST_AREA = 1e5**2  # above it COCO's metrics leave an object out


class Rule(NamedTuple):
    """A field, what its values must fit, and that in words."""

    key: str
    fits: Callable[[Any], bool]
    expected: str
    optional: bool = False


def _is_whole(x: Any) -> bool:
    return type(x) is int  # True and False are ints to isinstance


def _is_number(x: Any) -> bool:
    return (type(x) is float and math.isfinite(x)) or (_is_whole(x) and abs(x) < 2**63)


def _is_extent(x: Any) -> bool:
    return _is_number(x) and 1 <= x < 2**31 and x == int(x)


def _is_text(x: Any) -> bool:
    """Whether it is text that can name a file: not empty, no NUL, no half of a character."""
    return type(x) is str and bool(x) and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in x)


def _is_box(x: Any) -> bool:
    return type(x) is list and len(x) == 4 and all(map(_is_number, x)) and x[2] >= 0 and x[3] >= 0


def _is_flag(x: Any) -> bool:
    return type(x) in (int, bool) and x in (0, 1)


def _is_polygon(x: Any) -> bool:
    return type(x) is list and len(x) >= 6 and len(x) % 2 == 0 and all(map(_is_number, x))


def is_mask(x: Any) -> bool:
    """Whether a ``segmentation`` is polygons of three or more points, or a run-length encoding."""
    if type(x) is dict:  # run-length encoded
        size = x.get("size")
        return (
            isinstance(x.get("counts"), (list, str)) and isinstance(size, list) and len(size) == 2
        )
    return type(x) is list and bool(x) and all(map(_is_polygon, x))


_WHOLE = "a whole number"
_IMAGES = (
    Rule("id", _is_whole, _WHOLE),
    Rule("file_name", _is_text, "the name of a file"),
    Rule("height", _is_extent, "a whole number of pixels"),
    Rule("width", _is_extent, "a whole number of pixels"),
)
_CATEGORIES = (Rule("id", _is_whole, _WHOLE), Rule("name", _is_text, "a name"))
_ANNOTATIONS = (
    Rule("id", _is_whole, _WHOLE),
    Rule("image_id", _is_whole, _WHOLE),
    Rule("category_id", _is_whole, _WHOLE),
    Rule("bbox", _is_box, "[x, y, width, height] of finite numbers and no negative size"),
    Rule("iscrowd", _is_flag, "0 or 1", optional=True),
    # Detectron2's reader refuses it, COCO's metrics do not read it
    Rule(
        "ignore", lambda x: not x, '0; "iscrowd": 1 marks what is not to be scored', optional=True
    ),
)
_SCORING = (
    # pycocotools takes the id of what a detection matches for a truth value, in 64-bit floats
    Rule("id", lambda x: 0 < x < 2**53, "a number from 1, as COCO's metrics misread others"),
    Rule("area", lambda x: _is_number(x) and 0 <= x <= _LARGEST_AREA, "a number from 0 to 1e10"),
    Rule("iscrowd", _is_flag, "0 or 1"),
)
_MASKS = (Rule("segmentation", is_mask, "polygons of 3 or more points, or a run-length encoding"),)


class Problems:
    """Problems of a file by their kinds: the first of each is told, the others are counted."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, entity: str, kind: str, text: str) -> None:
        """Count a problem of ``entity`` ("annotation 7"); ``kind`` is what others share with it."""
        key = (entity.split(" ")[0], kind)
        self._first.setdefault(key, f"{entity} {text}")
        self._counts[key] += 1

    def __bool__(self) -> bool:
        return bool(self._first)

    def __str__(self) -> str:
        lines = []
        for key, text in list(self._first.items())[:_NAMED]:
            more = self._counts[key] - 1
            lines.append(text + (f" (and {more} more {key[0]}s)" if more else ""))
        if len(self._first) > _NAMED:
            lines.append(f"and {len(self._first) - _NAMED} other kinds of problems")
        return "; ".join(lines)


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
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("it begins with a byte order mark; save it as UTF-8 without one")
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content


def _found(content: dict[str, Any]) -> str:
    return f"got the keys {', '.join(sorted(content)) or '(none)'}"


def _check_content(content: dict[str, Any], *, evaluation: bool, masks: bool) -> None:
    if not content["images"] or not content["categories"]:
        raise ValueError("expected at least one image and one category")
    problems = Problems()
    image_ids = _check_entries(content["images"], "image", _IMAGES, problems)
    category_ids = _check_entries(content["categories"], "category", _CATEGORIES, problems)
    names = Counter(x["name"] for x in content["categories"] if _names_something(x))
    for name in (name for name, count in names.items() if count > 1):
        problems.add(f'category name "{name}"', "twice", "is used more than once")
    if "annotations" in content:
        rules = _ANNOTATIONS + (_SCORING if evaluation else ()) + (_MASKS if masks else ())
        _check_entries(content["annotations"], "annotation", rules, problems)
        for annotation in content["annotations"]:
            if isinstance(annotation, dict):
                _check_reference(annotation, "image", image_ids, problems)
                _check_reference(annotation, "category", category_ids, problems)
    if problems:
        raise ValueError(str(problems))
    if not evaluation and not any(map(_teaches, content["annotations"])):
        count = len(content["annotations"])
        raise ValueError(
            "expected an object to learn from, got "
            + (f"{count} annotations, each a crowd or of no size" if count else "no annotation")
        )


def _names_something(category: Any) -> bool:
    return isinstance(category, dict) and isinstance(category.get("name"), str)


def _teaches(annotation: dict[str, Any]) -> bool:
    return not annotation.get("iscrowd") and annotation["bbox"][2] > 0 and annotation["bbox"][3] > 0


def _check_entries(
    entries: list[Any], kind: str, rules: Iterable[Rule], problems: Problems
) -> set[Any]:
    """Hold each entry against the rules; return the ids."""
    rules = tuple(rules)
    ids: Counter[Any] = Counter()
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            told = f"number {position} is no object, got {json.dumps(entry)[:80]}"
            problems.add(kind, "object", told)
            continue
        bad = set()
        for key, fits, expected, optional in rules:
            if key not in entry:
                if not optional and key not in bad:
                    bad.add(key)
                    problems.add(_label(kind, entry, position), f"lacks {key}", f"lacks {key}")
            elif key not in bad and not fits(entry[key]):
                bad.add(key)
                got = json.dumps(entry[key])[:80]
                told = f"expected {key} {expected}, got {got}"
                problems.add(_label(kind, entry, position), f"{key} {expected}", told)
        if "id" not in bad:
            ids[entry["id"]] += 1
    for number in (number for number, count in ids.items() if count > 1):
        problems.add(f"{kind} {number}", "twice", "has an id that is used more than once")
    return set(ids)


def _label(kind: str, entry: dict[str, Any], position: int) -> str:
    return (
        f"{kind} {json.dumps(entry['id'])[:40]}" if "id" in entry else f"{kind} number {position}"
    )


def _check_reference(
    annotation: dict[str, Any], kind: str, ids: set[Any], problems: Problems
) -> None:
    value = annotation.get(f"{kind}_id")
    if _is_whole(value) and value not in ids:
        told = f"refers to {kind} {value}, which is not in the file"
        problems.add(_label("annotation", annotation, 0), f"refers to {kind}", told)


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
