"""The detectors that the authors and UniverseNet have released, from file to boxes.

Nobody here has the files. Each is replaced by one of exactly its layout with seeded values, and
what is computed with them is compared with the numbers of the reference's own modules.
"""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, Backbone
from detectron2.structures import Boxes

import sepc
from sepc.checkpoint import restore_state_dict
from sepc.d2.detectors.fsaf import AnchorFreeBranch
from sepc.methods.boxes import from_inclusive, to_inclusive

from ..checkpoint.reference import CONFIGS as LEAVES
from ..checkpoint.reference import UNIVERSENETS, layout_of, seeded
from ..golden.case import load_cases
from ..golden.runners.neck import check_maps, inputs
from .helpers import ROOT
from .released import RELEASED, convert, on_meta, released_config, with_stub_backbone

CASES = {case.name: case for case in load_cases(ROOT / "tests" / "golden" / "data")}


def name(path):
    return path.stem


def test_there_is_a_config_for_each_file_of_the_authors():
    detectors = ("retinanet", "free_anchor", "fsaf")
    variants = ("pconv", "pconv_ibn", "sepc_lite", "sepc")
    expected = {f"{d}_R_50_FPN_{v}_1x" for d in detectors for v in variants}
    expected |= {"fsaf_R_50_FPN_1x", *UNIVERSENETS}
    assert expected == {path.stem for path in LEAVES}


@pytest.mark.parametrize("config", LEAVES, ids=name)
def test_file_of_its_layout_converts_loads_and_goes_back(config, tmp_path, capsys):
    theirs = seeded(layout_of(config))
    ours = convert({"meta": {"epoch": 12}, "state_dict": theirs}, tmp_path, config)
    assert " only" not in capsys.readouterr().out

    model = on_meta(released_config(config.stem))
    model.load_state_dict(ours, strict=True, assign=True)

    back = restore_state_dict(ours)
    constants = {"bbox_head.integral.project"}
    assert set(back) == set(theirs) - constants
    for key, value in back.items():
        assert torch.equal(value, theirs[key]), key


@pytest.mark.parametrize(
    ("config", "prefix"),
    [
        ("retinanet_R_50_FPN_sepc_1x", "retina"),
        ("free_anchor_R_50_FPN_pconv_1x", "retina"),
        ("fsaf_R_50_FPN_1x", "retina"),
        ("atss_R_50_FPN_sepc_noibn_1x", "atss"),
        ("universenet50_2008s_2x", "gfl"),
    ],
)
def test_predictors_and_scales_are_in_their_places(config, prefix):
    """The classes stay in order: COCO's categories, without background, in both codebases."""
    theirs = seeded(layout_of(RELEASED / f"{config}.py"))
    ours = sepc.convert_state_dict(theirs)
    for new, old in (("cls_score", "cls"), ("bbox_pred", "reg")):
        for parameter in ("weight", "bias"):
            expected = theirs[f"bbox_head.{prefix}_{old}.{parameter}"]
            assert torch.equal(ours[f"head.{new}.{parameter}"], expected)
    for level in range(5 if prefix != "retina" else 0):
        expected = theirs[f"bbox_head.scales.{level}.scale"]
        assert torch.equal(ours[f"head.scales.{level}"], expected)
    if prefix == "atss":
        expected = theirs["bbox_head.atss_centerness.bias"]
        assert torch.equal(ours["head.ctrness.bias"], expected)


@pytest.mark.parametrize(
    ("case", "config", "overrides"),
    [
        ("neck_pconv_eval_pad0", "retinanet_R_50_FPN_pconv_1x", []),
        ("neck_ibn_eval_pad0", "free_anchor_R_50_FPN_pconv_ibn_1x", []),
        ("neck_sepclite_eval_pad0", "fsaf_R_50_FPN_sepc_lite_1x", []),
        ("neck_sepc_eval_pad0", "retinanet_R_50_FPN_sepc_1x", []),
        # UniverseNet's neck with iBN and padding is in no released detector as it is
        (
            "neck_universenet_sepc_eval_pad1",
            "atss_R_50_FPN_sepc_noibn_1x",
            ["model.head.trunk.norm=BN", "model.head.trunk.head_padding=same"],
        ),
    ],
)
def test_trunk_of_a_converted_detector_gives_the_golden_numbers(case, config, overrides):
    case = CASES[case]
    others = {
        key: value
        for key, value in seeded(layout_of(RELEASED / f"{config}.py")).items()
        if not key.startswith("neck.1.")
    }
    theirs = others | {f"neck.1.{key}": value for key, value in case.state_dict().items()}
    model = on_meta(released_config(config, *overrides)).eval()
    model.load_state_dict(sepc.convert_state_dict(theirs), strict=False, assign=True)
    assert not any(x.is_meta for x in model.parameters())
    with torch.no_grad():
        cls_features, box_features = model.head.trunk(inputs(case))
    for level in range(case.num_levels):
        check_maps(case, f"cls{level}", cls_features[level], None)
        check_maps(case, f"loc{level}", box_features[level], None)


def level_maps(case):
    return [torch.zeros(1, 1, *size) for size in case.spec["level_sizes"]]


@pytest.mark.parametrize("detector", ["retinanet", "free_anchor"])
def test_anchors_are_the_golden_ones(detector):
    case = CASES["anchors_retina"]
    cfg = released_config(f"{detector}_R_50_FPN_sepc_1x")
    levels = instantiate(cfg.model.anchor_generator)(level_maps(case))
    for level, anchors in enumerate(levels):
        assert torch.equal(to_inclusive(anchors.tensor), case.arrays[f"grid{level}"])


def test_anchors_of_fsaf_are_the_golden_ones():
    case = CASES["anchors_fsaf"]
    branch = AnchorFreeBranch(strides=case.config["strides"], num_classes=80)
    levels = branch.generator(level_maps(case))
    for level, anchors in enumerate(levels):
        assert torch.equal(to_inclusive(anchors.tensor), case.arrays[f"grid{level}"])


@pytest.mark.parametrize(("detector", "stds"), [("retinanet", "std1"), ("free_anchor", "std01")])
def test_deltas_are_the_golden_ones(detector, stds):
    case = CASES["box_delta_legacy"]
    cfg = released_config(f"{detector}_R_50_FPN_sepc_1x")
    transform = instantiate(cfg.model.box2box_transform)
    prior, gt = (from_inclusive(case.arrays[x]) for x in ("in_prior", "in_gt"))
    case.check(f"bbox2delta_{stds}", transform.get_deltas(prior, gt))
    boxes = to_inclusive(transform.apply_deltas(case.arrays["in_delta"], prior))
    torch.testing.assert_close(boxes, case.arrays[f"delta2bbox_{stds}"], rtol=1e-6, atol=2e-4)


@pytest.mark.parametrize(
    ("case", "config"),
    [
        ("atss_loss", "atss_R_50_FPN_sepc_noibn_1x"),
        ("gfl_loss", "universenet50_2008s_2x"),
        ("gfl_loss", "universenet50_2008_2x"),
    ],
)
def test_boxes_of_universenet_are_the_golden_ones(case, config):
    case = CASES[case]
    cfg = released_config(config)
    cfg.model.num_classes = case.config["num_fg_classes"]
    model = instantiate(with_stub_backbone(cfg).model).eval()
    height, width = case.spec["img_shapes"][0]
    anchors = model.anchor_generator(level_maps(case))
    for level, (boxes, stride) in enumerate(zip(anchors, case.spec["strides"], strict=True)):
        assert torch.equal(boxes.tensor, case.arrays[f"anchors{level}"])
        predictions = case.draws[f"box{level}"][0]
        flat = predictions.permute(1, 2, 0).reshape(-1, model.prediction_dims[1])
        decoded = Boxes(model.boxes(boxes.tensor, [None, flat], stride))
        decoded.clip((height, width))
        case.check(f"decoded{level}", decoded.tensor, "losses")


@pytest.mark.parametrize(
    ("case", "config"),
    [
        ("fpn_extra_on_input", "retinanet_R_50_FPN_sepc_1x"),
        ("fpn_extra_on_output", "atss_R_50_FPN_sepc_noibn_1x"),
    ],
)
def test_fpn_of_a_released_config_gives_the_golden_numbers(case, config):
    case = CASES[case]
    maps = {f"res{i + 3}": case.draws[f"in{i + 1}"] for i in range(3)}

    class Maps(Backbone):
        def forward(self, x):
            return maps

        def output_shape(self):
            return {
                key: ShapeSpec(channels=x.shape[1], stride=2 ** int(key[-1]))
                for key, x in maps.items()
            }

    cfg = released_config(config).model.backbone
    width = case.config["out_channels"]
    cfg.out_channels = width
    if cfg.top_block.get("in_feature", "res5") == "res5":
        cfg.top_block.in_channels = case.config["in_channels"][-1]
    fpn = FPN(Maps(), list(cfg.in_features), width, top_block=instantiate(cfg.top_block))
    theirs = {f"neck.0.{key}": value for key, value in case.state_dict().items()}
    ours = sepc.convert_state_dict(theirs)
    fpn.load_state_dict({k.removeprefix("backbone."): v for k, v in ours.items()}, strict=True)
    with torch.no_grad():
        for level, x in enumerate(fpn(None).values()):
            case.check(f"out{level}", x)
