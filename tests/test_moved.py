"""Modules under the names of earlier versions, which saved configs hold."""

import importlib

import pytest

from sepc.moved import MOVED

pytest.importorskip("detectron2")


@pytest.mark.parametrize("old", MOVED)
def test_old_name_has_every_name_of_the_new(old):
    new = importlib.import_module(MOVED[old])
    before = importlib.import_module(old)
    own = [x for x in vars(new).values() if getattr(x, "__module__", None) == new.__name__]
    assert own
    for x in own:
        assert getattr(before, x.__name__) is x


def test_old_name_of_a_renamed_class():
    from sepc.d2.head import TwoBranchHead

    from sepc.d2.detectors.heads import FSAFHead

    assert TwoBranchHead is FSAFHead


def test_unknown_names_of_a_moved_module_fail_as_usual():
    from sepc.d2 import atss

    with pytest.raises(AttributeError, match="no_such_class"):
        atss.no_such_class  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("sepc.d2.no_such_module")
