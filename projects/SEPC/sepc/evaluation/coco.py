"""COCO's matching of detections and objects, from the content of its files.

pycocotools is imported by what matches: the demo, which applies a calibration, has none to do.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval


def match_boxes(
    content: dict[str, Any],
    truths: dict[int, dict[str, Any]],
    found: dict[int, dict[str, Any]],
    *,
    ious: Sequence[float],
) -> COCOeval:
    """Match boxes per image and class over objects of all sizes, as COCO's evaluation does.

    Args:
        content: of COCO's instance annotations; its images and categories are used.
        truths: annotations by a number from 1, as COCO's evaluation takes an annotation with the
            id 0 for none.
        found: detections in COCO's results format, by a number from 1.
        ious: least IoU of a match; 0 takes boxes that don't overlap, as COCO's comparison does.

    Returns:
        the evaluation after ``evaluate()``; ``evalImgs`` holds the matches, one entry per class
        and image, with the numbers as ids.
    """
    from pycocotools.cocoeval import COCOeval

    shared = {key: content[key] for key in ("images", "categories")}
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _index({**shared, "annotations": _numbered(truths)}),
            _index({**shared, "annotations": _numbered(found)}),
            "bbox",
        )
        everything = evaluation.params.areaRng[0]
        evaluation.params.iouThrs = list(ious)
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [everything], ["all"]
        evaluation.evaluate()
    return evaluation


def check_results(content: dict[str, Any], results: Sequence[dict[str, Any]]) -> None:
    """Check that results are of the annotated images and categories.

    Raises:
        ValueError: for a result of an image or category that the annotations don't have.
    """
    for key, name in (("images", "image_id"), ("categories", "category_id")):
        known = {entry["id"] for entry in content[key]}
        unknown = sorted({result[name] for result in results} - known, key=str)
        if unknown:
            raise ValueError(
                f"expected results of the annotated {key}, got {name} {unknown[:5]}: "
                "are they of another data set?"
            )


def _numbered(boxes: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    numbered = []
    for number, box in boxes.items():
        area = box.get("area", box["bbox"][2] * box["bbox"][3])
        numbered.append({"iscrowd": 0, **box, "id": number, "area": area})
    return numbered


def _index(dataset: dict[str, Any]) -> COCO:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco
