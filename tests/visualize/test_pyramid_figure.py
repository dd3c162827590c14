"""Tests of the figure of a trunk."""

import cv2
import numpy as np
import pytest
import torch

from sepc import PyramidConvStack, build_sepc
from sepc.visualize import plot_pyramid, record_trunk
from sepc.visualize.pyramid_figure import cells_at, chosen_layers, strongest_cells

from ..helpers import make_pyramid, randomize

pytest.importorskip("matplotlib")

SIZES = [(8, 12), (4, 6), (2, 3), (1, 2)]
IMAGE = np.full((64, 96, 3), 200, np.uint8)


def record_of(trunk):
    trunk = randomize(trunk).eval()
    with torch.no_grad(), record_trunk(trunk) as record:
        trunk(make_pyramid(SIZES, 4, batch=1))
    return record


@pytest.fixture(scope="module")
def record():
    return record_of(build_sepc("sepc", in_channels=4, num_stages=1))


@pytest.mark.parametrize("variant", ["pconv", "pconv_ibn", "sepc_lite", "sepc"])
def test_every_variant(variant, tmp_path):
    path = tmp_path / "new" / "pyramid.png"
    trunk = build_sepc(variant, in_channels=4, num_stages=1)
    plot_pyramid(record_of(trunk), IMAGE, path, points=[(10, 10), (90, 60)], dpi=40)
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 200 and picture.std() > 10
    assert [file.name for file in path.parent.iterdir()] == ["pyramid.png"]


def test_neck(tmp_path):
    neck = PyramidConvStack(in_channels=4, num_stages=2, norm=None)
    plot_pyramid(record_of(neck), IMAGE, tmp_path / "neck.png", levels=list("abcd"), dpi=30)
    assert (tmp_path / "neck.png").stat().st_size > 0


def test_bad_names_leave_no_picture(record, tmp_path):
    path = tmp_path / "pyramid.png"
    with pytest.raises(ValueError, match="expected 4 names of levels, got 2"):
        plot_pyramid(record, IMAGE, path, levels=["P3", "P4"])
    with pytest.raises(ValueError, match=r"unknown layer \['stage 9'\]: expected some of"):
        plot_pyramid(record, IMAGE, path, layers=["stage 9"])
    assert list(tmp_path.iterdir()) == []


def test_nothing_recorded(tmp_path):
    with record_trunk(build_sepc("pconv", in_channels=4)) as record:
        pass
    with pytest.raises(ValueError, match="nothing was recorded"):
        plot_pyramid(record, IMAGE, tmp_path / "pyramid.png")


def test_default_layers(record):
    offsets = record.offsets()
    tasks = ["classification, same", "localization, same"]
    assert list(chosen_layers(offsets, [])) == tasks
    stages = {name: each for name, each in offsets.items() if name.startswith("stage")}
    assert list(chosen_layers(stages, [])) == ["stage 1, coarser"]
    assert list(chosen_layers(offsets, ["stage 1, finer"])) == ["stage 1, finer"]
    assert chosen_layers({}, []) == {}
    with pytest.raises(ValueError, match="none: nothing deforms"):
        chosen_layers({}, ["stage 1, finer"])


def test_cells_of_points():
    features = torch.zeros(1, 4, 4, 6)
    points = [(0, 0), (95.9, 63.9), (96, 64), (3, 3), (500, 3), (17, -1), (17, 5)]
    assert cells_at(points, features, (16.0, 16.0)) == [(0, 0), (3, 5), (0, 1)]


def test_strongest_cells_lie_apart():
    features = torch.zeros(2, 6, 6)
    features[:, 1, 1] = -9
    features[:, 1, 2] = 8
    features[:, 5, 5] = 7
    assert strongest_cells(features, count=2) == [(1, 1), (5, 5)]
    assert strongest_cells(torch.ones(1, 1, 1)) == [(0, 0)]
