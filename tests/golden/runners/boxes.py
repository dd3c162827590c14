"""Anchors, deltas and distances of mmdetection 1.x."""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from sepc.methods.anchors import grid_anchors, legacy_cell_anchors
from sepc.methods.boxes import decode_deltas, encode_deltas, from_inclusive, to_inclusive
from sepc.methods.fsaf import decode_btlr, encode_btlr

from ..case import Case
from .dense import check_equal, check_pixels, level_sizes


def run_anchors(case: Case) -> None:
    config = case.config
    octaves = range(config["scales_per_octave"])
    scales = [config["octave_base_scale"] * 2 ** (i / len(octaves)) for i in octaves]
    for level, (stride, size) in enumerate(zip(config["strides"], level_sizes(case), strict=True)):
        cell = legacy_cell_anchors(stride, scales, config["ratios"])
        grid = grid_anchors(cell, size, stride)
        check_equal(case, f"base{level}", to_inclusive(cell), case.arrays[f"base{level}"])
        check_equal(case, f"grid{level}", to_inclusive(grid), case.arrays[f"grid{level}"])


def clip_inclusive(case: Case, boxes: Tensor) -> Tensor:
    """The reference clips its inclusive corners to [0, W - 1] x [0, H - 1]."""
    height, width = case.config["max_shape_hw"]
    return clip_boxes_to_image(boxes, (height - 1, width - 1))


def run_deltas(case: Case) -> None:
    prior = from_inclusive(case.arrays["in_prior"])
    gt = from_inclusive(case.arrays["in_gt"])
    for name, stds in case.config["stds"].items():
        weights = [1 / std for std in stds]
        case.check(f"bbox2delta_{name}", encode_deltas(prior, gt, weights))
        boxes = to_inclusive(decode_deltas(prior, case.arrays["in_delta"], weights))
        check_pixels(case, f"delta2bbox_{name}", boxes)
        check_pixels(case, f"delta2bbox_clip_{name}", clip_inclusive(case, boxes))


def run_tblr(case: Case) -> None:
    prior = from_inclusive(case.arrays["in_prior"])
    case.check("encode", encode_btlr(prior, from_inclusive(case.arrays["in_gt"])))
    boxes = to_inclusive(decode_btlr(prior, case.arrays["in_tblr"]))
    check_pixels(case, "decode", boxes)
    check_pixels(case, "decode_clip", clip_inclusive(case, boxes))


RUNNERS = {"anchors": run_anchors, "box_delta": run_deltas, "fsaf_tblr": run_tblr}
