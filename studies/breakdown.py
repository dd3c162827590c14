"""AP of the objects of one size, or of those that one level decides."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sepc.data.progress import progress
from sepc.data.validate import read_annotations, read_results
from sepc.evaluation.coco import check_results

from .record import Record
from .run import Run

#: Where an evaluation leaves its detections, in the folder of a run.
RESULTS = Path("inference") / "coco_instances_results.json"
#: Group to ``{"AP": ..., "objects": ...}``, in percent and their number.
Groups = dict[str, dict[str, float]]


class Breakdown:
    """Ground truth of a validation set, by which detections are scored group by group.

    Args:
        json_path: annotations in COCO's format. Crowds belong to no group.
    """

    def __init__(self, json_path: Path) -> None:
        self.content = read_annotations(json_path, scoring=True)
        for annotation in self.content["annotations"]:
            # as of the detections, which have no masks: both are held against the same bounds
            annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        self.objects = [a for a in self.content["annotations"] if not a.get("iscrowd")]
        with contextlib.redirect_stdout(io.StringIO()):
            self.truth = COCO()
            self.truth.dataset = self.content
            self.truth.createIndex()

    def average_precision(
        self, results: list[dict[str, Any]], groups: Mapping[str, Collection[int]]
    ) -> Groups:
        """Compute the AP of each group of objects.

        As COCO's AP of small objects: all other objects are ignored, with the detections that match
        them, and so is a detection that matches nothing and whose area is not within the range of
        the group's. Areas are those of boxes.

        Args:
            results: detections in COCO's results format.
            groups: ids of annotations by the name of the group; none is empty.

        Returns:
            in the order of ``groups``.

        Raises:
            ValueError: for results of other images.
        """
        check_results(self.content, results)
        ap = dict.fromkeys(groups, 0.0)
        if results:  # which COCO's tool can't do without
            with contextlib.redirect_stdout(io.StringIO()):
                found = self.truth.loadRes(results)
                ap = {
                    n: _ChosenObjects(self.truth, found, ids).score() for n, ids in groups.items()
                }
        return {
            name: {"AP": round(100 * ap[name], 3), "objects": len(ids)}
            for name, ids in groups.items()
        }

    def octaves(self) -> dict[str, list[int]]:
        """Ids of the objects by the octave of the longer side of their boxes, in pixels."""
        found = defaultdict(list)
        for annotation in self.objects:
            found[int(np.floor(np.log2(max(annotation["bbox"][2:]))))].append(annotation["id"])
        return {f"{2**octave} to {2 ** (octave + 1)} px": found[octave] for octave in sorted(found)}

    def levels(self, config: str, overrides: Collection[str]) -> dict[str, list[int]]:
        """Ids of the objects by the level that decides them: that with most of their positives.

        Those without a positive belong to no level.

        Args:
            config, overrides: of a detector that reads the images at their own size.

        Raises:
            ValueError: if it resizes them.
        """
        import torch
        from detectron2.config import instantiate
        from detectron2.structures import Boxes, Instances

        from sepc.d2.engine import load_config
        from sepc.d2.pyramid_usage import count_positives

        cfg = load_config(config, list(overrides))
        if cfg.dataloader.test.mapper.augmentations:
            raise ValueError(f"expected images at their own size, {config} resizes them")
        model = instantiate(cfg.model)
        by_image = defaultdict(list)
        for annotation in self.objects:
            by_image[annotation["image_id"]].append(annotation)
        images = [image for image in self.content["images"] if image["id"] in by_image]
        classes = sorted(category["id"] for category in self.content["categories"])

        def inputs() -> Iterator[dict[str, Any]]:
            for image in images:
                size, own = (image["height"], image["width"]), by_image[image["id"]]
                boxes = torch.tensor([a["bbox"] for a in own], dtype=torch.float32)
                boxes[:, 2:] += boxes[:, :2]
                labels = torch.tensor([classes.index(a["category_id"]) for a in own])
                instances = Instances(size, gt_boxes=Boxes(boxes), gt_classes=labels)
                yield {"image": torch.zeros(3, *size), "instances": instances}

        found = defaultdict(list)
        for image, (_, positives, _) in zip(images, count_positives(model, inputs()), strict=True):
            for annotation, row in zip(by_image[image["id"]], positives, strict=True):
                if row.any():
                    found[int(row.argmax())].append(annotation["id"])
        return {model.head_in_features[level].upper(): found[level] for level in sorted(found)}


class _ChosenObjects(COCOeval):
    """COCO's evaluation with all objects but some ignored."""

    def __init__(self, truth: COCO, found: COCO, ids: Collection[int]) -> None:
        super().__init__(truth, found, "bbox")
        self.params.imgIds = sorted(truth.getImgIds())
        self.chosen = set(ids)
        areas = [annotation["area"] for annotation in truth.loadAnns(list(ids))]
        self.params.areaRng, self.params.areaRngLbl = [[min(areas), max(areas)]], ["chosen"]

    def _prepare(self) -> None:
        super()._prepare()
        for objects in self._gts.values():
            for annotation in objects:
                annotation["ignore"] = annotation["id"] not in self.chosen

    def score(self) -> float:
        """AP in [0, 1], the mean over the thresholds and the categories of the chosen objects."""
        self.evaluate()
        self.accumulate()
        precision = self.eval["precision"][..., 0, -1]  # that area, most detections
        return float(precision[precision > -1].mean())


def add_breakdowns(
    record: Record,
    annotations: Path,
    groups_of: Callable[[Breakdown, Run], Mapping[str, Mapping[str, Collection[int]]]],
    *,
    output: Path,
) -> None:
    """Add the AP of groups to each finished run that has none and whose detections are there.

    The record keeps them, so that the folder of output can go.

    Args:
        annotations: of the images on which the runs were validated.
        groups_of: kinds of groups to groups to ids of annotations, for a run.
        output: of the study, with a folder per run.
    """
    paths = {run: output / run.name / RESULTS for run in record.without_breakdown()}
    ready = {run: path for run, path in paths.items() if path.is_file()}
    if not ready:
        return
    truth = Breakdown(annotations)
    for run, path in progress(ready.items(), total=len(ready), description="AP of groups"):
        results = read_results(path)
        found = {
            kind: truth.average_precision(results, groups)
            for kind, groups in groups_of(truth, run).items()
        }
        record.add_breakdown(run, found)
