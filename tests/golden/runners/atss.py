"""ATSS and GFL against UniverseNet's heads (mmdetection 2.x: plain boxes, classes from 0)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from sepc.methods.atss import atss_assign, atss_losses
from sepc.methods.boxes import decode_deltas
from sepc.methods.gfl import decode_distributions, gfl_losses

from ..case import Case
from .dense import (
    batch_targets,
    check_equal,
    check_losses,
    flatten,
    grids,
    ground_truth,
    inside_padded_image,
    predictions,
    stored,
)

_SCALE = 8  # "one square anchor a cell, side 8*stride"


def anchors_by_level(case: Case) -> list[Tensor]:
    """Squares centered on the first corner of their cells."""
    corner = torch.tensor([[-1.0, -1.0, 1.0, 1.0]]) * _SCALE / 2
    levels = grids(case, [corner * stride for stride in case.spec["strides"]])
    for level, anchors in enumerate(levels):
        check_equal(case, f"anchors{level}", anchors, case.arrays[f"anchors{level}"])
    return levels


def assign(case: Case, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Labels (N, R), -1 outside the padded image, and matched boxes (N, R, 4); both checked."""
    boxes, classes = ground_truth(case, first_class=0)
    valid = inside_padded_image(case)
    assignments = []
    for image, gt_boxes in enumerate(boxes):
        assignment = atss_assign(
            torch.cat(levels),
            gt_boxes,
            [len(level) for level in levels],
            topk=case.config["topk"],
            valid=valid[image],
        )
        expected = case.arrays[f"assigned{image}"]
        ours = torch.where(valid[image], assignment + 1, -2)
        check_equal(case, f"assigned{image}", ours, expected)
        assignments.append(assignment)
    num_classes = case.config["num_fg_classes"]
    labels, matched = batch_targets(assignments, boxes, classes, num_classes)
    check_equal(case, "labels", labels, stored(case, "labels"))
    check_equal(case, "label_weights", valid, stored(case, "label_weights") > 0)
    return labels.masked_fill(~valid, -1), matched


def by_level(levels: list[Tensor], *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Tensors (N, R, ...) split by levels."""
    sizes = [len(level) for level in levels]
    return list(zip(*(x.split(sizes, dim=1) for x in tensors), strict=True))


def divisor(case: Case, labels: Tensor) -> float:
    """Positives of the batch, each image counted as at least one."""
    num_classes = case.config["num_fg_classes"]
    positives = ((labels >= 0) & (labels < num_classes)).sum(dim=1).clamp(min=1).sum().item()
    assert positives == case.config["num_total_pos"]
    return positives


def check_decoded(case: Case, levels: list[Tensor], boxes: Tensor) -> None:
    height, width = case.spec["img_shapes"][0]
    clipped = clip_boxes_to_image(boxes[0].detach(), (height, width))
    for level, decoded in enumerate(clipped.split([len(x) for x in levels])):
        case.check(f"decoded{level}", decoded, "losses")


def run_atss(case: Case) -> None:
    levels = anchors_by_level(case)
    labels, matched = assign(case, levels)
    config = case.config
    maps = predictions(case, "cls", "box", "ctr")
    weights = [1 / std for std in config["target_stds"]]
    decoded = decode_deltas(torch.cat(levels), flatten(maps["box"], 4), weights)
    check_decoded(case, levels, decoded)
    positives = divisor(case, labels)

    def losses(maps: dict[str, list[Tensor]]) -> dict[str, Tensor]:
        logits = flatten(maps["cls"], config["num_fg_classes"])
        deltas = flatten(maps["box"], 4)
        centerness = flatten(maps["ctr"], 1).squeeze(-1)
        by_levels = by_level(levels, logits, deltas, centerness, labels, matched)
        each = [
            atss_losses(*own[:3], anchors, *own[3:], delta_weights=weights, **config["focal"])
            for anchors, own in zip(levels, by_levels, strict=True)
        ]
        total = sum(x.total_centerness for x in each).clamp(min=1)
        return {
            "loss_cls": torch.stack([x.cls for x in each]) / positives,
            "loss_bbox": torch.stack([x.box for x in each]) / total * config["giou_weight"],
            "loss_centerness": torch.stack([x.centerness for x in each]) / positives,
        }

    check_losses(case, maps, losses)


def run_gfl(case: Case) -> None:
    levels = anchors_by_level(case)
    labels, matched = assign(case, levels)
    config = case.config
    maps = predictions(case, "cls", "box")
    width = 4 * (config["reg_max"] + 1)
    strides = [
        torch.full((len(level),), float(stride))
        for level, stride in zip(levels, case.spec["strides"], strict=True)
    ]
    decoded = decode_distributions(
        torch.cat(levels), torch.cat(strides), flatten(maps["box"], width)
    )
    check_decoded(case, levels, decoded)
    positives = divisor(case, labels)

    def losses(maps: dict[str, list[Tensor]]) -> dict[str, Tensor]:
        logits = flatten(maps["cls"], config["num_fg_classes"])
        distributions = flatten(maps["box"], width)
        by_levels = by_level(levels, logits, distributions, labels, matched)
        each = [
            gfl_losses(*own[:2], anchors, stride, *own[2:], beta=config["qfl_beta"])
            for anchors, stride, own in zip(levels, strides, by_levels, strict=True)
        ]
        total = sum(x.total_weight for x in each).clamp(min=1)
        return {
            "loss_cls": torch.stack([x.quality for x in each]) / positives,
            "loss_bbox": torch.stack([x.box for x in each]) / total * config["giou_weight"],
            "loss_dfl": torch.stack([x.distribution for x in each]) / total * config["dfl_weight"],
        }

    check_losses(case, maps, losses)


RUNNERS = {"atss": run_atss, "gfl": run_gfl}
