"""FSAF against the official assigner and head (inclusive boxes, classes from 1).

Where several boxes claim an anchor, the official code gives it to the box g of the largest p[g],
p being the argsort of the areas in descending order, and not its inverse, the rank. That is the
smallest box only where the boxes come ordered so that the two are one; the ``_sorted`` cases do,
and there our assignment is taken as it is. Otherwise the reference's ordering is applied here, and
where that makes a difference, ours has the smaller box.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sepc.methods.boxes import from_inclusive
from sepc.methods.fsaf import (
    FSAFLosses,
    effective_areas,
    encode_btlr,
    fsaf_assign,
    fsaf_losses,
)
from sepc.methods.targets import BACKGROUND, IGNORED

from ..case import Case
from .dense import (
    batch_targets,
    check_equal,
    check_losses,
    flatten,
    ground_truth,
    inside_padded_image,
    legacy_grids,
    predictions,
    stored,
)

_ANCHORS = {"octave_base_scale": 1, "scales_per_octave": 1, "ratios": [1.0]}
_FAR_MARGIN = 1.0  # for the center alone the reference does not count the last pixel in
_NO_POSITIVE = 1e6  # the reference's loss of a ground truth at a level where it has no positive


def assign_as_reference(anchors: Tensor, boxes: Tensor, scales: dict[str, float]) -> Tensor:
    positive, ignored = effective_areas(anchors, boxes, **scales)
    priority = areas(boxes).argsort(descending=True)
    best, gt = torch.where(positive, priority, -1).max(dim=1)
    assignment = torch.full_like(gt, BACKGROUND).masked_fill(ignored.any(dim=1), IGNORED)
    return torch.where(best >= 0, gt, assignment)


def areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)


def assign(anchors: Tensor, boxes: Tensor, scales: dict[str, float]) -> Tensor:
    """Ours where the reference's defect has no effect; else the reference's, compared with ours."""
    ours = fsaf_assign(anchors, boxes, **scales)
    order = areas(boxes).argsort(descending=True)
    if torch.equal(order, torch.arange(len(boxes))):
        return ours
    reference = assign_as_reference(anchors, boxes, scales)
    differs = ours != reference
    assert (areas(boxes)[ours[differs]] < areas(boxes)[reference[differs]]).all()
    assert (reference[differs] >= 0).all() and (ours[differs] >= 0).all()
    return reference


def run_assigner(case: Case) -> None:
    boxes, classes = ground_truth(case, first_class=1)
    anchors = torch.cat(legacy_grids(case, _ANCHORS))
    keys = [key for key, value in case.config.items() if isinstance(value, list)]
    assert keys, "a case without a pair of scales"
    for key in keys:
        pos_scale, neg_scale = case.config[key]
        scales = {
            "pos_scale": pos_scale,
            "neg_scale": neg_scale,
            "min_iof": case.config["min_pos_iof"],
            "far_margin": _FAR_MARGIN,
        }
        for image, gt_boxes in enumerate(boxes):
            assignment = assign(anchors, from_inclusive(gt_boxes), scales)
            indices = torch.where(assignment == IGNORED, -1, (assignment + 1).clamp(min=0))
            name = f"{key}_gt_inds{image}"
            check_equal(case, name, indices, case.arrays[name])
            labels = torch.where(assignment >= 0, classes[image][assignment.clamp(min=0)] + 1, 0)
            name = f"{key}_labels{image}"
            check_equal(case, name, labels, case.arrays[name])


def run_loss(case: Case) -> None:
    config = case.config
    num_classes = config["num_fg_classes"]
    boxes, classes = ground_truth(case, first_class=1)
    boxes = [from_inclusive(b) for b in boxes]
    levels = legacy_grids(case, _ANCHORS)
    anchors = torch.cat(levels)
    scales = {
        "pos_scale": config["pos_area_thr"],
        "neg_scale": config["neg_area_thr"],
        "min_iof": config["min_pos_iof"],
        "far_margin": _FAR_MARGIN,
    }
    valid = inside_padded_image(case)
    assigned = [assign(anchors, b, scales) for b in boxes]
    assigned = [a.masked_fill(~v, IGNORED) for a, v in zip(assigned, valid, strict=True)]
    assignment = torch.stack(assigned)
    labels, matched = batch_targets(assigned, boxes, classes, num_classes)
    check_targets(case, anchors, assignment, labels, matched)

    sizes = [len(level) for level in levels]

    def all_results(maps: dict[str, list[Tensor]]) -> FSAFLosses:
        logits = flatten(maps["cls"], num_classes)
        return fsaf_losses(
            logits,
            flatten(maps["box"], 4),
            anchors,
            assignment,
            labels,
            matched,
            num_gts=[len(b) for b in boxes],
            num_anchors_per_level=sizes,
            **config["focal"],
        )

    def losses(maps: dict[str, list[Tensor]]) -> dict[str, Tensor]:
        results = all_results(maps)
        num_kept = results.kept.sum()
        return {
            "loss_cls": torch.stack([x.sum() for x in results.cls.split(sizes, dim=1)]) / num_kept,
            "loss_bbox": torch.stack([x.sum() for x in results.box.split(sizes, dim=1)]) / num_kept,
        }

    maps = predictions(case, "cls", "box")
    results = all_results(maps)
    check_equal(case, "keep", results.kept, stored(case, "keep"))
    case.check("num_pos", (results.kept.sum() / len(boxes)).reshape(1), "losses")
    check_equal(case, "gt_level", results.level_losses.argmin(dim=1), case.arrays["gt_level"])
    by_level = results.level_losses.t().nan_to_num(posinf=_NO_POSITIVE)
    expected = case.arrays["level_loss"]
    check_equal(case, "level_loss", by_level == _NO_POSITIVE, expected == _NO_POSITIVE)
    torch.testing.assert_close(by_level, expected, rtol=1e-6, atol=0)
    check_losses(case, maps, losses)


def check_targets(
    case: Case, anchors: Tensor, assignment: Tensor, labels: Tensor, matched: Tensor
) -> None:
    """Before the selection of levels; 0 is the reference's background, weight 0 its ignored."""
    positive = assignment >= 0
    check_equal(case, "assigned", assignment.clamp(min=-1), stored(case, "assigned"))
    reference_labels = torch.where(positive, labels + 1, 0)
    check_equal(case, "labels", reference_labels, stored(case, "labels"))
    check_equal(case, "label_weights", labels >= 0, stored(case, "label_weights") > 0)
    targets = encode_btlr(anchors, matched)[positive]
    torch.testing.assert_close(targets, stored(case, "bbox_targets")[positive])


RUNNERS = {"fsaf_assigner": run_assigner, "fsaf_loss": run_loss}
