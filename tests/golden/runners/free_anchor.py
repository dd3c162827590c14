"""FreeAnchor against the official head (mmdetection 1.x: inclusive boxes, classes from 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from sepc.methods.boxes import decode_deltas, from_inclusive
from sepc.methods.free_anchor import box_probability, free_anchor_losses

from ..case import Case
from .dense import check_losses, flatten, ground_truth, legacy_grids, predictions


def run(case: Case) -> None:
    config = case.config
    boxes, classes = ground_truth(case, first_class=1)
    boxes = [from_inclusive(b) for b in boxes]
    anchors = torch.cat(legacy_grids(case, config["anchors"]))
    weights = [1 / std for std in config["target_stds"]]
    maps = predictions(case, "cls", "box")
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

    def losses(maps: dict[str, list[Tensor]]) -> dict[str, Tensor]:
        logits = flatten(maps["cls"], config["num_fg_classes"])
        sums = free_anchor_losses(
            logits,
            flatten(maps["box"], 4),
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
        return {
            "positive_bag_loss": sums.positive / sums.num_gts,
            "negative_bag_loss": sums.negative / (sums.num_gts * config["pre_anchor_topk"]),
        }

    check_losses(case, maps, losses)


RUNNERS = {"freeanchor": run}
