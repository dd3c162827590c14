"""Conversion of others' weights for one model: renamed, checked against it, accounted for."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .names import backbone_rules, convert_state_dict, is_resnet, restore_state_dict
from .renaming import rename
from .report import Report

BACKBONE = "backbone.bottom_up."
_COUNTER = "num_batches_tracked"


def convert_weights(
    weights: Mapping[str, Tensor], model: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Report]:
    """Convert weights of a whole detector, or of its backbone alone, to the names of a model.

    A backbone is a ResNet of torchvision or timm; its classifier is left out, and nothing else of
    the model is expected.

    Args:
        weights: of mmdetection's detectors, of torchvision or of timm.
        model: a state dict of the model; only names and shapes are read: the meta device will do.

    Returns:
        the new weights, in float32 where they were in half precision, and the report. Weights that
        do not fit are not among the new ones: let :meth:`.Report.check` say so.

    Raises:
        ValueError: two names would become one.
    """
    report = Report()
    if is_resnet(weights):
        model = _part_of_backbone(model, report)
        kept = _without_classifier(weights, report)
        renamed = rename(kept, [rule.under("", BACKBONE) for rule in backbone_rules(kept)])
    else:
        kept = _without_constants(weights, report)
        renamed = convert_state_dict(kept)
    converted = _fitted(dict(zip(kept, renamed, strict=True)), renamed, model, report)
    _fill_counters(converted, report)
    return converted, report


def restore_weights(
    weights: Mapping[str, Tensor], model: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], Report]:
    """Convert the weights of a whole model back to the names of mmdetection.

    Args:
        weights: under our names.
        model: see :func:`convert_weights`.

    Returns:
        the weights under the other names, and the report. Weights that the model or mmdetection
        has no names for are left over.
    """
    report = Report()
    fitting = _fitted({name: name for name in weights}, weights, model, report)
    restored = restore_state_dict(fitting)
    report.mapped = dict(zip(fitting, restored, strict=True))
    report.left_over += [old for old, new in report.mapped.items() if old == new]
    return restored, report


def _part_of_backbone(model: Mapping[str, Tensor], report: Report) -> dict[str, Tensor]:
    """Select what an ImageNet backbone is to fill: it has no offsets, which start at zero."""
    backbone = {name: value for name, value in model.items() if name.startswith(BACKBONE)}
    offsets = [name for name in backbone if re.search(r"\.conv2_offset\.|\.offset\.", name)]
    if offsets:
        report.notes.append(f"{len(offsets)} weights of offsets start at zero, as without the file")
    return {name: value for name, value in backbone.items() if name not in offsets}


def _without_classifier(weights: Mapping[str, Tensor], report: Report) -> dict[str, Tensor]:
    report.dropped |= {x: "the classifier" for x in ("fc.weight", "fc.bias") if x in weights}
    return {name: value for name, value in weights.items() if name not in report.dropped}


def _without_constants(weights: Mapping[str, Tensor], report: Report) -> dict[str, Tensor]:
    """Drop GFL's list of distances 0 to B, which mmdetection keeps with the weights."""
    name = "bbox_head.integral.project"
    kept = dict(weights)
    if name in kept:
        distances = kept[name].float()
        if torch.equal(distances, torch.arange(len(distances), dtype=torch.float32)):
            del kept[name]
            report.dropped[name] = "the distances 0, 1, 2, ... of which it takes the mean"
    return kept


def _fitted(
    names: Mapping[str, str],
    renamed: Mapping[str, Tensor],
    model: Mapping[str, Tensor],
    report: Report,
) -> dict[str, Tensor]:
    converted = {}
    halves = 0
    for old, new in names.items():
        value = renamed[new]
        if new not in model:
            report.left_over.append(old)
        elif value.shape != model[new].shape:
            name = new if old == new else f"{old} -> {new}"
            report.other_shapes[new] = (
                f"{name}: {tuple(value.shape)} in the checkpoint, "
                f"{tuple(model[new].shape)} in the model{_hint(new, value, model[new])}"
            )
        else:
            report.mapped[old] = new
            half = value.dtype in (torch.float16, torch.bfloat16)
            halves += half
            converted[new] = value.float() if half else value
    if halves:
        report.notes.append(f"{halves} weights were in half precision and are in float32 now")
    found = converted.keys() | report.other_shapes.keys()
    report.missing += [name for name in model if name not in found]
    return converted


def _hint(name: str, value: Tensor, expected: Tensor) -> str:
    """Hint at predictors with one output more for the background."""
    if not name.endswith(("cls_score.weight", "cls_score.bias")):
        return ""
    anchors = value.shape[0] - expected.shape[0]
    if anchors > 0 and expected.shape[0] % anchors == 0:
        return (
            f" (it may have an output for the background: a softmax over "
            f"{expected.shape[0] // anchors} classes and one; the detectors here have sigmoids)"
        )
    return ""


def _fill_counters(converted: dict[str, Tensor], report: Report) -> None:
    """Set missing counters of batches to zero: files before torch 0.4.1 lack them.

    They mean nothing at a fixed momentum.
    """
    for name in report.missing:
        if name.endswith(_COUNTER) and f"{name.removesuffix(_COUNTER)}running_mean" in converted:
            converted[name] = torch.zeros((), dtype=torch.long)
            report.filled.append(name)
    report.missing = [name for name in report.missing if name not in converted]
