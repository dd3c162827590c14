"""FreeAnchor against the official head (mmdetection 1.x: inclusive boxes, classes from 1)."""

from __future__ import annotations

import torch

from sepc.methods.boxes import decode_deltas, from_inclusive
from sepc.methods.free_anchor import box_probability, free_anchor_losses

from ..case import Case
from .dense import check_gradients, flatten, ground_truth, leaves, legacy_grids


def run(case: Case) -> None:
    config = case.config
    boxes, classes = ground_truth(case, first_class=1)
    boxes = [from_inclusive(b) for b in boxes]
    anchors = torch.cat(legacy_grids(case, config["anchors"]))
    weights = [1 / std for std in config["target_stds"]]
    maps = {name: leaves(case, name) for name in ("cls", "box")}
    logits = flatten(maps["cls"], config["num_fg_classes"])
    deltas = flatten(maps["box"], 4)

    localized = [
        box_probability(
            decode_deltas(anchors, deltas[i], weights),
            boxes[i],
            classes[i],
            num_classes=config["num_fg_classes"],
            threshold=config["bbox_thr"],
        )
        for i in range(len(boxes))
    ]
    # a ratio of two differences of IoUs: their rounding, relative to the range above the threshold
    torch.testing.assert_close(
        torch.stack(localized), case.arrays["box_prob"], rtol=0, atol=1e-5, msg=None
    )
    losses = free_anchor_losses(
        logits,
        deltas,
        anchors,
        boxes,
        classes,
        delta_weights=weights,
        bag_size=config["pre_anchor_topk"],
        threshold=config["bbox_thr"],
        alpha=config["alpha"],
        gamma=config["gamma"],
        smooth_l1_beta=config["smooth_l1"]["beta"],
        box_loss_weight=config["smooth_l1"]["loss_weight"],
    )
    positive = losses.positive / losses.num_gts
    negative = losses.negative / (losses.num_gts * config["pre_anchor_topk"])
    case.check("positive_bag_loss", positive.reshape(1), "losses")
    case.check("negative_bag_loss", negative.reshape(1), "losses")
    check_gradients(case, positive + negative, maps)


RUNNERS = {"freeanchor": run}
