"""Names of the predictors, by the kind of detector, and of the plain towers below them."""

from __future__ import annotations

from collections.abc import Iterable

from .renaming import Rule

_TOWERS = [
    rule
    for theirs, ours in (("cls_convs", "trunk.cls_tower"), ("reg_convs", "trunk.box_tower"))
    for rule in (
        Rule(f"{theirs}.{{i}}.conv", f"{ours}.convs.{{i}}.same"),
        Rule(f"{theirs}.{{i}}.gn", f"{ours}.norms.{{i}}"),
    )
]
_SCALES = [Rule("scales.{level}.scale", "scales.{level}")]

# mmdetection's RetinaNet, FreeAnchor and FSAF share one head
PREDICTOR_RULES = {
    "retina": [
        Rule("retina_cls", "cls_score"),
        Rule("retina_reg", "bbox_pred"),
        *_TOWERS,
    ],
    "atss": [
        Rule("atss_cls", "cls_score"),
        Rule("atss_reg", "bbox_pred"),
        Rule("atss_centerness", "ctrness"),
        *_SCALES,
        *_TOWERS,
    ],
    "gfl": [
        Rule("gfl_cls", "cls_score"),
        Rule("gfl_reg", "bbox_pred"),
        *_SCALES,
        *_TOWERS,
    ],
}


def kind_of_head(names: Iterable[str]) -> str:
    """Which of ``PREDICTOR_RULES`` belongs to a detector with our names."""
    parts = {name.split(".")[1] for name in names if name.startswith("head.")}
    if "ctrness" in parts:
        return "atss"
    return "gfl" if "scales" in parts else "retina"
