"""Names of weights: those of the authors, of UniverseNet and torchvision, and ours.

The rules go by parts of a detector: backbone, FPN, trunk, predictors. Each is read in both
directions; see :class:`~sepc.checkpoint.renaming.Rule`.
"""

import re
from collections.abc import Iterable, Mapping

from .renaming import Rule, Value, rename


def convert_state_dict(state_dict: Mapping[str, Value]) -> dict[str, Value]:
    """Rename weights of the authors' release or of UniverseNet to the names they have here.

    Args:
        state_dict: names to values, of the trunk alone (then of :class:`sepc.SEPC`) or of a whole
            detector: ResNet, FPN, trunk and predictors. Values are passed through.

    Returns:
        A new dict in the same order. Names that are not known stay, among them those that already
        are ours.

    Raises:
        ValueError: two names would become one.
    """
    return rename(state_dict, _rules_to_ours(list(state_dict)))


def restore_state_dict(state_dict: Mapping[str, Value]) -> dict[str, Value]:
    """Rename back what :func:`convert_state_dict` has renamed, for a whole detector.

    The names become those of UniverseNet for ATSS and GFL, and otherwise the authors'.
    """
    names = list(state_dict)
    kind = _kind_of_head(names)
    rules = _detector_rules(
        backbone=backbone_rules(names),
        pyramid=RCNET
        if any(name.startswith("backbone.pyramid.nodes.") for name in names)
        else _fpn_rules(_numbers(r"backbone\.fpn_lateral(\d+)\.", names)),
        fpn="neck.0." if any(re.match(_IN_NECK, name) for name in names) else "neck.",
        trunk=(_AUTHORS_TRUNK if kind == "retina" else _UNIVERSENET_TRUNK) + _DYHEAD,
        predictors=_PREDICTORS[kind],
    )
    return rename(state_dict, [rule.swapped() for rule in rules])


def _rules_to_ours(names: list[str]) -> list[Rule]:
    trunk = _AUTHORS_TRUNK + _UNIVERSENET_TRUNK + _DYHEAD
    if not any(name.startswith(("backbone.", "neck.", "bbox_head.")) for name in names):
        return trunk
    fpn = "neck.0." if any(name.startswith("neck.0.") for name in names) else "neck."
    laterals = _numbers(re.escape(fpn) + r"lateral_convs\.(\d+)\.", names)
    # FPN reads all stages of the backbone from some level on; level k has stride 2^k
    last_level = 1 + (len(_numbers(r"backbone\.layer(\d+)\.", names)) or 4)
    return _detector_rules(
        backbone=backbone_rules(names),
        pyramid=RCNET
        if any(name.startswith(f"{fpn}RevFP.") for name in names)
        else _fpn_rules([last_level - len(laterals) + 1 + i for i in laterals]),
        fpn=fpn,
        trunk=trunk,
        predictors=[rule for rules in _PREDICTORS.values() for rule in rules],
    )


def _detector_rules(
    *,
    backbone: Iterable[Rule],
    pyramid: Iterable[Rule],
    fpn: str,
    trunk: Iterable[Rule],
    predictors: Iterable[Rule],
) -> list[Rule]:
    # A neck of several modules is a list: FPN comes first, the trunk second.
    return [
        *(rule.under("backbone.", "backbone.bottom_up.") for rule in backbone),
        *(rule.under(fpn, "backbone.") for rule in pyramid),
        *(rule.under("neck.1.", "head.trunk.") for rule in trunk),
        *(rule.under("bbox_head.", "head.") for rule in predictors),
    ]


def _numbers(pattern: str, names: Iterable[str]) -> list[int]:
    """Different numbers that a pattern finds at the beginning of names, ascending."""
    return sorted({int(match[1]) for name in names if (match := re.match(pattern, name))})


# Backbone: torchvision, timm and mmdetection share the names of a ResNet; the names of a Res2Net
# are mmdetection's and those of sepc.d2.backbones.res2net. Norms come before their convolutions, of
# whose names theirs are longer forms here.
_PLAIN_STEM = [Rule("bn1", "stem.conv1.norm"), Rule("conv1", "stem.conv1")]
# in mmdetection a Sequential of convolution, norm, ReLU, three times
_DEEP_STEM = [
    rule
    for i in range(3)
    for rule in (
        Rule(f"stem.{3 * i + 1}", f"stem.conv{i + 1}.norm"),
        Rule(f"stem.{3 * i}", f"stem.conv{i + 1}"),
    )
]
_RESNET_STAGES = [
    Rule("bn{conv}", "conv{conv}.norm"),
    # the offsets of a deformable convolution belong to it in mmdetection
    Rule("conv2.conv_offset", "conv2_offset"),
    Rule("conv2_offset", "conv2_offset"),  # so in its early versions
    Rule("conv{conv}", "conv{conv}"),
    Rule("downsample.1", "shortcut.norm"),
    Rule("downsample.0", "shortcut"),
]
# in the shortcuts of a Res2Net a pooling comes first
_RES2NET_STAGES = [
    Rule("bns.{i}", "norms.{i}"),
    Rule("convs.{i}.conv_offset", "convs.{i}.offset"),
    Rule("convs.{i}", "convs.{i}"),
    Rule("bn{conv}", "conv{conv}.norm"),
    Rule("conv{conv}", "conv{conv}"),
    Rule("downsample.2", "shortcut.norm"),
    Rule("downsample.1", "shortcut"),
]


def backbone_rules(names: Iterable[str]) -> list[Rule]:
    """Choose the rules for a ResNet or Res2Net by the names that its weights have, old or new."""
    names = list(names)
    deep = any(re.search(r"\bstem\.(3|conv2)\.", name) for name in names)
    res2net = any(re.search(r"\b(layer|res)\d+\.\d+\.convs\.", name) for name in names)
    stages = _RES2NET_STAGES if res2net else _RESNET_STAGES
    blocks = [rule.under("layer{stage}.{block}.", "res{stage+1}.{block}.") for rule in stages]
    return (_DEEP_STEM if deep else _PLAIN_STEM) + blocks


def is_resnet(names: Iterable[str]) -> bool:
    """Whether these are the names of a ResNet by itself."""
    return any(name.startswith("layer1.0.") for name in names)


def _fpn_rules(levels: list[int]) -> list[Rule]:
    """Rules for an FPN that reads these levels of the backbone, fine to coarse.

    mmdetection numbers the convolutions, Detectron2 names them by their level. mmdetection's extra
    levels are further output convolutions; Detectron2's are a top block of two.
    """
    rules = []
    for i, level in enumerate(levels):
        rules.append(Rule(f"lateral_convs.{i}.conv", f"fpn_lateral{level}"))
        rules.append(Rule(f"fpn_convs.{i}.conv", f"fpn_output{level}"))
    for i, name in enumerate(("p6", "p7"), len(levels)):
        rules.append(Rule(f"fpn_convs.{i}.conv", f"top_block.{name}"))
    return rules


def _conv_rules(theirs: str, ours: str) -> list[Rule]:
    return [Rule(f"{theirs}.conv_offset", f"{ours}.offset"), Rule(theirs, ours)]


def _rcnet_rules() -> list[Rule]:
    """Rules for RCNet of its authors, whose finest level is always p3, as a part of a backbone."""
    node, ours = "RevFP.p{level+3}", "nodes.{level}"
    normed = {
        "lateral_convs.{i}": "laterals.{i}",
        "extra_downsamples.{i}.0": "extras.{i}",
        f"{node}.pre_fusion": f"{ours}.middle",
        f"{node}.post_fusion": f"{ours}.out",
        "CSN.msm.aggregation.{i}.0": "shift.mix.{i}",
    }
    contexts = {
        "CSN.spatialContext": "shift.cell_context",
        "CSN.scaleContext": "shift.level_context",
    }
    rules = [
        *(Rule(f"{x}.bn", f"{y}.norm") for x, y in normed.items()),
        *(rule for x, y in normed.items() for rule in _conv_rules(f"{x}.conv", y)),
        *(Rule(f"{x}.channel_agg", f"{y}.attention") for x, y in contexts.items()),
        *(Rule(f"{x}.trans", f"{y}.out") for x, y in contexts.items()),
        Rule("CSN.msm.aggregation.{i}.1", "shift.out.{i}"),
        Rule(f"{node}.weight.{{i}}", f"{ours}.gates.{{i}}"),
        Rule(f"{node}.spatial_weight", f"{ours}.guide.conv"),
        Rule(f"{node}.temp", f"{ours}.guide.temperature"),
    ]
    return [rule.under("", "pyramid.") for rule in rules]


def _trunk_rules(stages: str, kernels: str, cls_norm: str, box_norm: str) -> list[Rule]:
    stage = f"{stages}.{{stage}}"
    return [
        # by where they stand in the list: 0 reads the coarser level, 1 the same, 2 the finer
        *_conv_rules(f"{stage}.{kernels}.0", "stages.{stage}.conv.from_coarser"),
        *_conv_rules(f"{stage}.{kernels}.1", "stages.{stage}.conv.same"),
        *_conv_rules(f"{stage}.{kernels}.2", "stages.{stage}.conv.from_finer"),
        Rule(f"{stage}.bn", "stages.{stage}.norm.shared"),
        *_conv_rules("cconv", "cls_branch.conv.same"),
        *_conv_rules("lconv", "box_branch.conv.same"),
        Rule(cls_norm, "cls_branch.norm.shared"),
        Rule(box_norm, "box_branch.norm.shared"),
    ]


RCNET = _rcnet_rules()
_AUTHORS_TRUNK = _trunk_rules("Pconvs", "Pconv", cls_norm="cbn", box_norm="lbn")
_UNIVERSENET_TRUNK = _trunk_rules("pconvs", "pconv", cls_norm="bn_cls", box_norm="bn_loc")
# mmdetection's blocks
_DYHEAD = [
    Rule(f"dyhead_blocks.{{block}}.{theirs}", f"blocks.{{block}}.{ours}")
    for theirs, ours in {
        "spatial_conv_offset": "offset",
        "spatial_conv_mid": "same",
        "spatial_conv_low": "from_finer",
        "spatial_conv_high": "from_coarser",
        "scale_attn_module.1": "scale_attention",
        "task_attn_module.conv1.conv": "task_attention.hidden",
        "task_attn_module.conv2.conv": "task_attention.coefficients",
    }.items()
]
_IN_NECK = r"head\.trunk\.(stages|blocks)\."  # trunks that are a second part of the neck there

_TOWERS = [
    rule
    for theirs, ours in (("cls_convs", "trunk.cls_tower"), ("reg_convs", "trunk.box_tower"))
    for rule in (
        Rule(f"{theirs}.{{i}}.conv", f"{ours}.convs.{{i}}.same"),
        Rule(f"{theirs}.{{i}}.gn", f"{ours}.norms.{{i}}"),
    )
]
_SCALES = [Rule("scales.{level}.scale", "scales.{level}")]
# Predictors by the kind of head; mmdetection's RetinaNet, FreeAnchor and FSAF share one.
_PREDICTORS = {
    kind: [Rule(f"{kind}_cls", "cls_score"), Rule(f"{kind}_reg", "bbox_pred"), *others, *_TOWERS]
    for kind, others in {
        "retina": [],
        "atss": [Rule("atss_centerness", "ctrness"), *_SCALES],
        "gfl": _SCALES,
    }.items()
}


def _kind_of_head(names: Iterable[str]) -> str:
    """Key of ``_PREDICTORS`` for a detector with our names."""
    parts = {name.split(".")[1] for name in names if name.startswith("head.")}
    if "ctrness" in parts:
        return "atss"
    return "gfl" if "scales" in parts else "retina"
