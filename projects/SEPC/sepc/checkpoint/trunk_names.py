"""Names of the trunk: the authors', UniverseNet's and those of :class:`sepc.SEPC`."""

from __future__ import annotations

from .renaming import Rule


def _convs(theirs: str, ours: str) -> list[Rule]:
    return [Rule(f"{theirs}.conv_offset", f"{ours}.offset"), Rule(theirs, ours)]


def _rules(stages: str, kernels: str, cls_norm: str, box_norm: str) -> list[Rule]:
    stage = f"{stages}.{{stage}}"
    return [
        # by where they stand in the list: 0 reads the coarser level, 1 the same, 2 the finer
        *_convs(f"{stage}.{kernels}.0", "stages.{stage}.conv.from_coarser"),
        *_convs(f"{stage}.{kernels}.1", "stages.{stage}.conv.same"),
        *_convs(f"{stage}.{kernels}.2", "stages.{stage}.conv.from_finer"),
        Rule(f"{stage}.bn", "stages.{stage}.norm.shared"),
        *_convs("cconv", "cls_branch.conv.same"),
        *_convs("lconv", "box_branch.conv.same"),
        Rule(cls_norm, "cls_branch.norm.shared"),
        Rule(box_norm, "box_branch.norm.shared"),
    ]


AUTHORS_RULES = _rules("Pconvs", "Pconv", cls_norm="cbn", box_norm="lbn")
UNIVERSENET_RULES = _rules("pconvs", "pconv", cls_norm="bn_cls", box_norm="bn_loc")
