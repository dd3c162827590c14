"""Matching of detections and objects as COCO's evaluation does it: right, wrong, missed."""

from dataclasses import dataclass, field
from typing import Any

from ..evaluation.coco import check_results, match_boxes


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
    check_results(content, strong)
    matches = {i: ImageMatches(image) for i, image in images.items()}
    cells = match_boxes(content, truths, found, ious=[0.5]).evalImgs
    for cell in (cell for cell in cells if cell is not None):
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
