"""COCO's matching of detections and objects, from the content of its files.

pycocotools is imported by what matches: the demo, which applies a calibration, has none to do.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval


def match_boxes(
    content: dict[str, Any],
    truths: dict[int, dict[str, Any]],
    found: dict[int, dict[str, Any]],
    *,
    ious: Sequence[float],
    by_class: bool = True,
) -> COCOeval:
    """Match boxes per image and class over objects of all sizes, as COCO's evaluation does.

    Args:
        content: of COCO's instance annotations; its images and categories are used.
        truths: annotations by a number from 1, as COCO's evaluation takes an annotation with the
            id 0 for none.
        found: detections in COCO's results format, by a number from 1.
        ious: least IoU of a match; 0 takes boxes that don't overlap, as COCO's comparison does.
        by_class: or else per image whatever the classes, with all detections and not the 100 best.

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
        if not by_class:
            evaluation.params.useCats, evaluation.params.maxDets = 0, [max(len(found), 1)]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [everything], ["all"]
        evaluation.evaluate()
    return evaluation


class PrecisionCurves(NamedTuple):
    """Precision of K classes, in the order of their ids, at the R recalls of COCO.

    Attributes:
        recalls: (R,), 0 to 1.
        precision: (K, R): the best at this recall or a higher one; -1 for a class without objects.
        scores: (K, R): of the detection with which the recall is reached, 0 where it is not.
    """

    recalls: np.ndarray
    precision: np.ndarray
    scores: np.ndarray


def precision_curves(
    content: dict[str, Any], results: Sequence[dict[str, Any]], *, iou: float = 0.5
) -> PrecisionCurves:
    """Precision over recall as COCO's evaluation has it; the mean over recalls is the class's AP.

    Args:
        content: of COCO's instance annotations.
        results: in COCO's results format, weak ones as well.
        iou: least overlap of a match.

    Raises:
        ValueError: for a result of an image or category that the annotations don't have.
    """
    check_results(content, results)
    truths = dict(enumerate(content.get("annotations", []), start=1))
    evaluation = match_boxes(content, truths, dict(enumerate(results, start=1)), ious=[iou])
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    precision, scores = (evaluation.eval[key][0, :, :, 0, -1].T for key in ("precision", "scores"))
    return PrecisionCurves(evaluation.params.recThrs, precision, scores)


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
