"""Matching of detections and objects as COCO's evaluation does it: right, wrong, missed."""

import contextlib
import io
from dataclasses import dataclass, field
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


@dataclass
class ImageMatches:
    """Matches of one image; boxes are COCO's dicts with ``bbox`` and ``category_id``.

    Attributes:
        image: its entry in the annotations.
        right: detections that match an object, or lie in a crowd.
        wrong: detections that match nothing (false positives).
        found, missed: annotated objects; crowd regions are in neither.
        crowds: annotated crowd regions.
    """

    image: dict[str, Any]
    right: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, Any]] = field(default_factory=list)
    crowds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mistakes(self) -> int:
        return len(self.wrong) + len(self.missed)


def match_detections(
    content: dict[str, Any], results: list[dict[str, Any]], *, score_thresh: float
) -> list[ImageMatches]:
    """Match detections with objects as COCO's evaluation does, the worst images first.

    Per image and class, the best detection takes the object it overlaps most, if their IoU is 0.5
    or more; at most 100 detections per class count.

    Args:
        content: of COCO's instance annotations.
        results: in COCO's results format.
        score_thresh: weaker detections are left out before.

    Returns:
        all images, those with the most mistakes first; among equals, those whose false positives
        have the higher scores.

    Raises:
        ValueError: for a result of an image or category that the annotations don't have.
    """
    images = {entry["id"]: entry for entry in content["images"]}
    # numbered anew: COCO's evaluation takes an annotation with the id 0 for none
    truths = {i: a for i, a in enumerate(content.get("annotations", []), start=1)}
    strong = [result for result in results if result["score"] >= score_thresh]
    found = {i: result for i, result in enumerate(strong, start=1)}
    check_results_fit(content, strong)
    matches = {i: ImageMatches(image) for i, image in images.items()}
    for cell in _evaluate(content, truths, found):
        here = matches[cell["image_id"]]
        for i, match, ignored in zip(
            cell["dtIds"], cell["dtMatches"][0], cell["dtIgnore"][0], strict=True
        ):
            (here.right if match or ignored else here.wrong).append(found[i])
        for i, match, ignored in zip(
            cell["gtIds"], cell["gtMatches"][0], cell["gtIgnore"], strict=True
        ):
            kind = here.crowds if ignored else here.found if match else here.missed
            kind.append(truths[i])

    def badness(each: ImageMatches) -> tuple[int, float]:
        return each.mistakes, sum(result["score"] for result in each.wrong)

    return sorted(matches.values(), key=badness, reverse=True)


def _evaluate(
    content: dict[str, Any],
    truths: dict[int, dict[str, Any]],
    found: dict[int, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Run COCO's matching for each image and class that has a box, over objects of all sizes."""
    shared = {key: content[key] for key in ("images", "categories")}
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _index({**shared, "annotations": _numbered(truths)}),
            _index({**shared, "annotations": _numbered(found)}),
            "bbox",
        )
        everything = evaluation.params.areaRng[0]
        evaluation.params.iouThrs = [0.5]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [everything], ["all"]
        evaluation.evaluate()
    return [cell for cell in evaluation.evalImgs if cell is not None]


def _numbered(boxes: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    numbered = []
    for number, box in boxes.items():
        area = box.get("area", box["bbox"][2] * box["bbox"][3])
        numbered.append({"iscrowd": 0, **box, "id": number, "area": area})
    return numbered


def _index(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def check_results_fit(content: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Check that results are of annotated images and categories; ValueError names others."""
    for key, name in (("images", "image_id"), ("categories", "category_id")):
        known = {entry["id"] for entry in content[key]}
        unknown = sorted({result[name] for result in results} - known, key=str)
        if unknown:
            raise ValueError(
                f"expected results of the annotated {key}, got {name} {unknown[:5]}: "
                "are they of another data set?"
            )
