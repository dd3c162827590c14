"""Diagnosis of COCO-format data sets: each by itself, and against each other and a model."""

import itertools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from .image_files import check_image_files
from .validate import validate_coco

_NAMED = 5


class CocoSet(NamedTuple):
    """A data set: its name, annotation file and image folder, and whether it is for evaluation."""

    name: str
    json_file: str | os.PathLike[str]
    image_folder: str | os.PathLike[str]
    evaluation: bool


class Diagnosis(NamedTuple):
    """Content of the annotation file, None where it can't be used, and a line per problem."""

    data: CocoSet
    content: dict[str, Any] | None
    problems: list[str]


def diagnose(
    sets: Sequence[CocoSet],
    *,
    masks: bool = False,
    num_classes: int | None = None,
    show_progress: bool = True,
) -> list[Diagnosis]:
    """Check data sets whole: annotations, headers of the images, categories against each other.

    Args:
        sets: what is trained on comes first; the others are held against the first.
        masks: check the segmentation, too.
        num_classes: of the model, None if it is not known.
        show_progress: of reading the headers of many images.

    Returns:
        a diagnosis for each set; the data are fine where none has a problem.
    """
    found = []
    for data in sets:
        diagnosis = Diagnosis(data, None, [])
        try:
            content = validate_coco(
                data.json_file, data.image_folder, evaluation=data.evaluation, masks=masks
            )
            diagnosis = diagnosis._replace(content=content)
            check_image_files(
                content["images"],
                data.image_folder,
                source=data.json_file,
                show_progress=show_progress,
            )
        except (ValueError, FileNotFoundError) as error:
            diagnosis.problems.append(str(error))
        found.append(diagnosis)
    usable = [x for x in found if x.content is not None]
    if usable:
        try:
            check_same_classes({x.data.name: x.content for x in usable if x.content}, num_classes)
        except ValueError as error:
            usable[-1].problems.append(str(error))
    return found


def check_same_classes(contents: dict[str, dict[str, Any]], num_classes: int | None) -> None:
    """Check that data sets number the same categories alike, and the model has as many classes.

    Detectron2 numbers the categories of each file by itself, in the order of their ids: where two
    files differ in their lists, right detections count as wrong.

    Args:
        contents: of annotation files by the names of their data sets; the first is what the others
            are held against.
        num_classes: of the model, None if it is not known.

    Raises:
        ValueError: naming data sets, and categories by id and name.
    """
    classes = {
        name: [(x["id"], x["name"]) for x in sorted(content["categories"], key=lambda x: x["id"])]
        for name, content in contents.items()
    }
    (first, expected), *others = classes.items()
    for name, found in others:
        if [x[1] for x in found] != [x[1] for x in expected]:
            pairs = itertools.zip_longest(expected, found, fillvalue=(None, None))
            index, (theirs, ours) = next(
                (i, pair) for i, pair in enumerate(pairs) if pair[0][1] != pair[1][1]
            )
            raise ValueError(
                f"data sets {first} and {name} differ in their categories, which would be numbered "
                f"differently: class {index} is {_named(*theirs)} in {first} and {_named(*ours)} "
                f"in {name}; expected the same list of names in both files"
            )
    if num_classes is not None and num_classes != len(expected):
        some = ", ".join(itertools.starmap(_named, expected[:_NAMED]))
        raise ValueError(
            f"expected model.num_classes to be the number of categories of data set {first}, "
            f"{len(expected)} ({some}{', ...' * (len(expected) > _NAMED)}), got {num_classes}"
        )


def _named(number: int | None, name: str | None) -> str:
    return "missing" if number is None else f'{number} "{name}"'
