"""RetinaNet's losses of mmdetection 1.x, put together from the package's boxes and focal loss.

The project's RetinaNet is Detectron2's own. The rule of assignment differs, so it is written here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

from sepc.methods.boxes import encode_deltas, from_inclusive
from sepc.methods.focal import focal_loss
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


def assign(anchors: Tensor, boxes: Tensor, config: dict) -> Tensor:
    """By IoU; then every box takes all anchors at its best IoU, later boxes from earlier ones."""
    ious = box_iou(boxes, anchors)
    best, gt = ious.max(dim=0)
    assignment = torch.full_like(gt, IGNORED).masked_fill(best < config["neg_iou_thr"], BACKGROUND)
    assignment = torch.where(best >= config["pos_iou_thr"], gt, assignment)
    for index, of_box in enumerate(ious):
        if of_box.max() >= config["min_pos_iou"]:
            assignment[of_box == of_box.max()] = index
    return assignment


def run(case: Case) -> None:
    config = case.config
    num_classes = config["num_fg_classes"]
    boxes, classes = ground_truth(case, first_class=1)
    boxes = [from_inclusive(b) for b in boxes]
    levels = legacy_grids(case, config["anchors"])
    anchors = torch.cat(levels)
    per_cell = len(levels[0]) // int(torch.tensor(case.spec["level_sizes"][0]).prod())
    valid = inside_padded_image(case, per_cell)
    assigned = []
    for gt_boxes, inside in zip(boxes, valid, strict=True):
        # only the anchors inside take part, so the best of a box is the best of these
        assignment = torch.full((len(anchors),), IGNORED)
        assignment[inside] = assign(anchors[inside], gt_boxes, config)
        assigned.append(assignment)
    labels, matched = batch_targets(assigned, boxes, classes, num_classes)
    positive = torch.stack(assigned) >= 0
    weights = [1 / std for std in config["target_stds"]]
    targets = encode_deltas(anchors, matched, weights)
    check_equal(case, "labels", torch.where(positive, labels + 1, 0), stored(case, "labels"))
    check_equal(case, "label_weights", labels >= 0, stored(case, "label_weights") > 0)
    expected = stored(case, "bbox_targets")
    torch.testing.assert_close(torch.where(positive.unsqueeze(-1), targets, 0), expected)

    total = positive.sum(dim=1).clamp(min=1).sum()
    assert total.item() == case.spec["num_total_pos"]
    sizes = [len(level) for level in levels]

    def losses(maps: dict[str, list[Tensor]]) -> dict[str, Tensor]:
        cls = focal_loss(flatten(maps["cls"], num_classes), labels, **config["focal"])
        deltas = flatten(maps["box"], 4)
        beta, weight = config["smooth_l1"]["beta"], config["smooth_l1"]["loss_weight"]
        box = F.smooth_l1_loss(deltas, targets, beta=beta, reduction="none") * weight
        box = torch.where(positive.unsqueeze(-1), box, 0)
        return {
            "loss_cls": torch.stack([x.sum() for x in cls.split(sizes, dim=1)]) / total,
            "loss_bbox": torch.stack([x.sum() for x in box.split(sizes, dim=1)]) / total,
        }

    check_losses(case, predictions(case, "cls", "box"), losses)


RUNNERS = {"retina": run}
