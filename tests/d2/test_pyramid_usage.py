"""Use of the pyramid on data whose answers are known, and the tool on generated images."""

import json

import numpy as np
import pytest
import torch
from detectron2.config import instantiate
from detectron2.structures import Boxes, Instances

from sepc.d2.pyramid_usage import measure_usage

from ..tools import load_tool
from .helpers import ROOT, config_of, image_input

tool = load_tool("pyramid_usage")

SIZES = (16.0, 32.0, 64.0, 128.0)  # of objects, an octave apart: one for each level


def small(detector: str, **overrides):
    path = ROOT / "configs" / "quickstart" / f"{detector}_sepc.py"
    overrides = {"model.backbone.out_channels": 8, **overrides}
    return instantiate(config_of(path, [f"{k}={v}" for k, v in overrides.items()]).model)


def images(sides, count=1):
    """Images of 128 pixels, each with one object in the middle of it."""
    for side in sides:
        box = [64 - side / 2, 64 - side / 2, 64 + side / 2, 64 + side / 2]
        yield from [image_input(128, 128, [box], [0])] * count


@pytest.mark.parametrize("detector", ["retinanet", "atss", "gfl", "free_anchor"])
def test_an_object_as_large_as_its_anchors_is_decided_there(detector):
    one_anchor = {"model.bag_size": 1} if detector == "free_anchor" else {}
    usage = measure_usage(small(detector, **one_anchor), images(SIZES))
    assert usage.strides.tolist() == [4, 8, 16, 32] and usage.names == ["P2", "P3", "P4", "P5"]
    assert usage.objects.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(usage.cells, 4.0)
    assert usage.share_above == 0.75 and usage.coarsest_side == 4
    assert usage.num_objects == usage.num_images == 4
    assert usage.warnings() == []


def test_fcos_by_its_distances():
    # half of a side is the distance of the middle: up to 16 pixels at P2, 32 at P3, 64 at P4
    usage = measure_usage(small("fcos"), images([24, 24, 40, 80]))
    assert usage.objects.tolist() == [2, 1, 1, 0]
    np.testing.assert_allclose(usage.cells, [6, 5, 5, np.nan])
    old = measure_usage(small("fcos", **{"model.max_distance": 8.0}), images([24, 24, 40, 80]))
    assert old.objects.tolist() == [3, 1, 0, 0]


def test_fsaf_by_the_loss_of_what_it_predicts():
    model = small("fsaf")
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    # a distance of 4 strides to every side, so that objects of 8 cells have the lowest loss
    torch.nn.init.constant_(model.head.bbox_pred.bias, 4.0)
    usage = measure_usage(model, images([32, 64, 128]))
    assert usage.objects.tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(usage.cells[:3], 8)


def test_what_the_warnings_say():
    found = " ".join(measure_usage(small("atss"), images([9, 9, 9, 9, 9])).warnings())
    assert "only 0% of the objects are decided above the finest level (P2)" in found
    assert "spans 2.2 cells" in found and "coarsest map" not in found
    tiny = [image_input(64, 64, [[16, 16, 48, 48]], [0])]
    (warning,) = measure_usage(small("atss"), tiny).warnings()
    assert "the coarsest map (P5) is 2 cell(s) wide" in warning


def test_images_without_objects_count_as_images_alone():
    empty = image_input(128, 128, [], [])
    usage = measure_usage(small("atss"), [empty, *images([16])])
    assert (usage.num_images, usage.num_objects) == (2, 1)
    with pytest.raises(ValueError, match=r"images with objects, got none in 1 image"):
        measure_usage(small("atss"), [empty])


def test_padding_and_sizes_of_images_are_those_of_the_detector():
    instances = Instances((96, 72), gt_boxes=Boxes(torch.tensor([[40.0, 60, 70, 95]])))
    instances.gt_classes = torch.tensor([0])
    usage = measure_usage(small("atss"), [{"image": torch.rand(3, 96, 72), "instances": instances}])
    assert usage.coarsest_side == 3 and usage.objects.sum() == 1


def test_two_stage_detectors_are_refused():
    with pytest.raises(ValueError, match=r"expected a one-stage detector .* got Linear"):
        measure_usage(torch.nn.Linear(1, 1), [])


def test_tool(tiny_data, capsys):
    config = str(ROOT / "configs" / "quickstart" / "atss_sepc.py")
    arguments = ["--config-file", config, "--dataset", "tiny_train", "--images", "4"]
    assert tool.main([*arguments, "model.backbone.out_channels=8"]) == 0
    out = capsys.readouterr().out
    annotated = json.loads((tiny_data / "annotations/instances_train2017.json").read_text())
    assert [line.split()[0] for line in out.splitlines()[1:5]] == ["P2", "P3", "P4", "P5"]
    assert int(out.splitlines()[6].split()[0]) <= len(annotated["annotations"])
    assert "warning: the pyramid is hardly used: the coarsest map (P5) is 2 cell(s)" in out
    assert tool.main(["--config-file", config, "--dataset", "tiny_trein"]) == 2
    assert "similar names: tiny_train" in capsys.readouterr().err
