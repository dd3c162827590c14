import pytest

import sepc

STAGE = ["weight", "bias", "conv_offset.weight", "conv_offset.bias"]
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def official_names(prefix=""):
    for stage in range(4):
        yield from (f"{prefix}Pconvs.{stage}.Pconv.{k}.{p}" for k in range(3) for p in STAGE)
        yield from (f"{prefix}Pconvs.{stage}.bn.{p}" for p in NORM)
    yield from (f"{prefix}{conv}.{p}" for conv in ("lconv", "cconv") for p in STAGE)
    yield from (f"{prefix}{bn}.{p}" for bn in ("lbn", "cbn") for p in NORM)


def to_universenet(name):
    lower = name.replace("Pconv", "pconv")
    return lower.replace("lbn.", "bn_loc.").replace("cbn.", "bn_cls.")


def test_names_are_those_of_the_trunk():
    ours = set(sepc.build_sepc("sepc", 8).state_dict())
    for names in (official_names(), map(to_universenet, official_names())):
        names = {name: name for name in names}
        converted = sepc.convert_state_dict(names)
        assert set(converted) == ours
        assert set(converted.values()) == set(names)


def test_roles_of_the_kernels():
    """The official list of kernels runs coarser, same, finer."""
    converted = sepc.convert_state_dict({f"Pconvs.1.Pconv.{k}.weight": k for k in range(3)})
    assert converted == {
        "stages.1.conv.from_coarser.weight": 0,
        "stages.1.conv.same.weight": 1,
        "stages.1.conv.from_finer.weight": 2,
    }
    assert list(sepc.convert_state_dict({"lconv.bias": 0})) == ["box_branch.conv.same.bias"]


def test_trunk_inside_a_detector():
    names = {name: 0 for name in official_names("neck.1.")}
    converted = sepc.convert_state_dict(names | {"bbox_head.retina_cls.weight": 1})
    assert converted.pop("head.cls_score.weight") == 1
    assert {name.removeprefix("head.trunk.") for name in converted} == set(
        sepc.build_sepc("sepc", 8).state_dict()
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("backbone.conv1.weight", "backbone.bottom_up.stem.conv1.weight"),
        ("backbone.bn1.running_var", "backbone.bottom_up.stem.conv1.norm.running_var"),
        ("backbone.stem.3.weight", "backbone.bottom_up.stem.conv2.weight"),
        ("backbone.layer1.2.conv3.weight", "backbone.bottom_up.res2.2.conv3.weight"),
        ("backbone.layer4.0.bn2.weight", "backbone.bottom_up.res5.0.conv2.norm.weight"),
        ("backbone.layer2.0.downsample.0.weight", "backbone.bottom_up.res3.0.shortcut.weight"),
        ("backbone.layer2.0.downsample.1.bias", "backbone.bottom_up.res3.0.shortcut.norm.bias"),
        ("backbone.layer4.1.conv2.conv_offset.bias", "backbone.bottom_up.res5.1.conv2_offset.bias"),
        ("backbone.layer4.1.conv2_offset.bias", "backbone.bottom_up.res5.1.conv2_offset.bias"),
        ("bbox_head.retina_reg.bias", "head.bbox_pred.bias"),
        ("bbox_head.atss_centerness.weight", "head.ctrness.weight"),
        ("bbox_head.gfl_cls.weight", "head.cls_score.weight"),
        ("bbox_head.scales.3.scale", "head.scales.3"),
        ("bbox_head.cls_convs.2.conv.weight", "head.trunk.cls_tower.convs.2.same.weight"),
        ("bbox_head.reg_convs.0.gn.bias", "head.trunk.box_tower.norms.0.bias"),
        ("neck.1.lconv.conv_offset.weight", "head.trunk.box_branch.conv.same.offset.weight"),
        ("backbone.layer1.0.convs.1.weight", "backbone.bottom_up.res2.0.convs.1.weight"),
        # what is not known stays
        ("backbone.layer1.0.se.weight", "backbone.layer1.0.se.weight"),
        ("bbox_head.retina_clsx.weight", "bbox_head.retina_clsx.weight"),
    ],
)
def test_parts_of_a_detector(theirs, ours):
    assert list(sepc.convert_state_dict({theirs: 0})) == [ours]


def test_deep_stem_and_res2net():
    """Both are told from a plain ResNet by names that it does not have."""
    pairs = {
        "backbone.stem.0.weight": "backbone.bottom_up.stem.conv1.weight",
        "backbone.stem.3.weight": "backbone.bottom_up.stem.conv2.weight",
        "backbone.stem.7.bias": "backbone.bottom_up.stem.conv3.norm.bias",
        "backbone.layer2.0.convs.0.weight": "backbone.bottom_up.res3.0.convs.0.weight",
        "backbone.layer2.0.convs.0.conv_offset.x": "backbone.bottom_up.res3.0.convs.0.offset.x",
        "backbone.layer2.0.bns.2.weight": "backbone.bottom_up.res3.0.norms.2.weight",
        "backbone.layer2.0.bn3.weight": "backbone.bottom_up.res3.0.conv3.norm.weight",
        "backbone.layer2.0.downsample.1.weight": "backbone.bottom_up.res3.0.shortcut.weight",
        "backbone.layer2.0.downsample.2.bias": "backbone.bottom_up.res3.0.shortcut.norm.bias",
    }
    converted = sepc.convert_state_dict({theirs: theirs for theirs in pairs})
    assert converted == {ours: theirs for theirs, ours in pairs.items()}


@pytest.mark.parametrize("neck", ["neck.0.", "neck."])
@pytest.mark.parametrize("first", [2, 3, 4])
def test_levels_of_fpn_count_down_from_the_last_stage(neck, first):
    num = 6 - first
    names = [f"backbone.layer{i}.0.conv1.weight" for i in range(1, 5)]
    names += [f"{neck}lateral_convs.{i}.conv.weight" for i in range(num)]
    names += [f"{neck}fpn_convs.{i}.conv.bias" for i in range(num + 2)]
    converted = list(sepc.convert_state_dict(dict.fromkeys(names)))[4:]
    assert converted == [
        *(f"backbone.fpn_lateral{k}.weight" for k in range(first, 6)),
        *(f"backbone.fpn_output{k}.bias" for k in range(first, 6)),
        "backbone.top_block.p6.bias",
        "backbone.top_block.p7.bias",
    ]


def test_our_own_names_stay():
    ours = sepc.build_sepc("sepc", 8).state_dict()
    assert list(sepc.convert_state_dict(ours)) == list(ours)


def test_two_weights_for_one_name():
    with pytest.raises(ValueError, match="two weights would become"):
        sepc.convert_state_dict({"lbn.weight": 0, "bn_loc.weight": 1})
