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
    assert converted.pop("bbox_head.retina_cls.weight") == 1
    assert {name.removeprefix("head.trunk.") for name in converted} == set(
        sepc.build_sepc("sepc", 8).state_dict()
    )


def test_our_own_names_stay():
    ours = sepc.build_sepc("sepc", 8).state_dict()
    assert list(sepc.convert_state_dict(ours)) == list(ours)


def test_two_weights_for_one_name():
    with pytest.raises(ValueError, match="two weights would become"):
        sepc.convert_state_dict({"lbn.weight": 0, "bn_loc.weight": 1})
