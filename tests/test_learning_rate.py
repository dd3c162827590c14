import pytest

from sepc import build_sepc
from sepc.learning_rate import lr_factor


def test_offsets_alone_learn_at_another_rate():
    names = [name for name, _ in build_sepc("sepc", 8).named_parameters()]
    factors = {name: lr_factor(offset=0.1)(name) for name in names}
    offsets = {name for name in names if ".offset." in name}
    assert offsets and {name for name in names if factors[name] == 0.1} == offsets
    assert set(factors.values()) == {0.1, 1.0}
    assert set(map(lr_factor(), names)) == {1.0}


def test_those_of_a_deforming_backbone_too():
    factor = lr_factor(offset=0.5)
    assert factor("backbone.bottom_up.res5.0.conv2_offset.weight") == 0.5
    assert factor("backbone.bottom_up.res5.0.conv2.weight") == 1.0


def test_negative_factor():
    with pytest.raises(ValueError, match="learning rate >= 0, got offset=-1"):
        lr_factor(offset=-1)
