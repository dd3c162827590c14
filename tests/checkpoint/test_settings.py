import pytest

from sepc.checkpoint.settings import (
    ANCHORS,
    DELTAS,
    INCLUSIVE,
    NO_RELU,
    VALID,
    lacking_settings,
)

ALL = [NO_RELU, ANCHORS, DELTAS, INCLUSIVE, VALID]
AUTHORS = ["neck.1.Pconvs.0.Pconv.0.weight"]
OTHERS = ["neck.1.pconvs.0.pconv.0.weight"]


def lacking(names, has=(), applies=ALL, **meta):
    return lacking_settings(names, meta, {setting: setting in has for setting in applies})


def test_files_of_the_authors_need_all():
    assert lacking(AUTHORS) == ALL
    assert lacking(AUTHORS, has=ALL) == []
    assert lacking(AUTHORS, has=ALL[1:]) == [NO_RELU]


def test_settings_that_do_not_apply_to_the_detector_are_not_asked_for():
    assert lacking(AUTHORS, applies=[INCLUSIVE]) == [INCLUSIVE]


@pytest.mark.parametrize("padding", [0, 1])
def test_a_word_on_the_padding_is_compared_elsewhere(padding):
    assert VALID not in lacking(AUTHORS, config=f"dict(type='SEPC', lcconv_padding={padding})")


def test_the_version_of_a_file_counts_more_than_its_names():
    assert lacking(OTHERS) == [NO_RELU]
    assert lacking(OTHERS, mmdet_version="1.2.0") == [NO_RELU, ANCHORS, DELTAS, INCLUSIVE]
    assert lacking(AUTHORS, mmdet_version="2.3.0") == [NO_RELU, VALID]


def test_a_relu_before_the_extra_levels():
    assert lacking(OTHERS, config="neck=dict(type='FPN', relu_before_extra_convs=True)") == []


@pytest.mark.parametrize("config", [None, b"", {}])
def test_other_kinds_of_meta(config):
    assert lacking(AUTHORS, config=config) == ALL
