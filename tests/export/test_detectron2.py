"""ONNX files of Detectron2's RetinaNet: the quick start's detector, narrower."""

from functools import partial

import pytest
import torch

from sepc.export import compare_detections, export_onnx, load_exported

from .helpers import spread, stir

pytest.importorskip("detectron2")
for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package)

from detectron2.config import instantiate  # noqa: E402
from detectron2.modeling import meta_arch  # noqa: E402

from quickstart.settings import config_of  # noqa: E402
from sepc import optimize_for_inference  # noqa: E402
from sepc.d2.engine import load_config  # noqa: E402
from sepc.d2.export import ExportedModel, export_model  # noqa: E402
from sepc.d2.export.detector import ExportableDetector, detect  # noqa: E402
from sepc.d2.export.job import smallest_image  # noqa: E402

from ..d2.helpers import ROOT  # noqa: E402


def small_model(variant, *, norm=None, channels=8, trunk=()):
    """Untrained, with predictors that find something in anything."""
    torch.manual_seed(0)
    config, overrides = config_of("retinanet", variant)
    cfg = load_config(str(ROOT / config), overrides)
    cfg.model.backbone.out_channels = channels
    if variant == "plain":
        cfg.model.head.input_shape = [dict(_target_="detectron2.layers.ShapeSpec", channels=8)] * 4
        cfg.model.head.conv_dims = [8]
    else:
        cfg.model.head.trunk.update({"num_stages": 1, **dict(trunk)})
    if norm:
        cfg.model.head.trunk.norm = norm
    model = instantiate(cfg.model).eval()
    if variant != "plain":
        stir(model.head.trunk)
    features = model.backbone(torch.randn(1, 3, 384, 384) if trunk else torch.randn(1, 3, 128, 128))
    with torch.no_grad():
        logits, deltas = model.head([features[name] for name in model.head_in_features])
    flat = [torch.cat([x.flatten() for x in level]) for level in (logits, deltas)]
    spread(model.head.cls_score, flat[0], std=0.7, bias=-3.0)
    spread(model.head.bbox_pred, flat[1], std=0.2, bias=0.0)
    return model


def image(size):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (3, *size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("size", [(128, 128), (100, 75)])
@pytest.mark.parametrize("variant", ["plain", "sepc"])
def test_exportable_form_finds_the_same(variant, size):
    model = small_model(variant)
    with torch.no_grad():
        found = ExportableDetector(model)(image(size))
    assert compare_detections(detect(model, image(size)), found).detections > 5


@pytest.mark.parametrize("kind", [meta_arch.RetinaNet, meta_arch.FCOS])
def test_detectors_of_detectron2_itself(kind):
    torch.manual_seed(0)
    cfg = load_config(str(ROOT / f"configs/quickstart/{kind.__name__.lower()}_plain.py"))
    cfg.model._target_ = kind
    cfg.model.pop("max_distance", None)  # it is ours
    model = instantiate(cfg.model).eval()
    assert type(model) is kind
    features = model.backbone(torch.randn(1, 3, 128, 128))
    with torch.no_grad():
        logits, *_ = model.head([features[name] for name in model.head_in_features])
        spread(model.head.cls_score, torch.cat([x.flatten() for x in logits]), std=0.7, bias=-2.0)
        torch.nn.init.constant_(model.head.bbox_pred.bias, 0.5)
        found = ExportableDetector(model)(image((100, 75)))
    assert compare_detections(detect(model, image((100, 75))), found).detections > 5


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


# SEPC has all that the variants between have
@pytest.mark.parametrize(
    "variant", ["plain", slow("pconv"), slow("pconv_ibn"), slow("sepc_lite"), "sepc"]
)
def test_whole_detector_in_onnx_runtime(variant, tmp_path):
    model = small_model(variant)
    agreement = export_onnx(
        ExportableDetector(model),
        tmp_path / "detector.onnx",
        image=image((64, 64)),
        reference=partial(detect, model),
    )
    assert agreement.detections > 5
    assert [file.name for file in tmp_path.iterdir()] == ["detector.onnx"]


@pytest.mark.parametrize(
    ("norm", "optimized"), [slow("BCN", False), ("BCN", True), ("LevelBN", False)]
)
def test_other_norms_in_onnx_runtime(norm, optimized, tmp_path):
    """Also with the standardized weights of BCN."""
    model = small_model("pconv_ibn", norm=norm, channels=32)
    agreement = export_onnx(
        ExportableDetector(optimize_for_inference(model) if optimized else model),
        tmp_path / "detector.onnx",
        image=image((64, 64)),
        reference=partial(detect, model),
    )
    assert agreement.detections > 5


def test_the_model_stays_as_it_is():
    model = small_model("pconv").train()
    ExportableDetector(model)
    detect(model, image((64, 64)))
    assert model.training


def test_detector_of_another_kind():
    with pytest.raises(ValueError, match="expected a dense detector, got Linear"):
        ExportableDetector(torch.nn.Linear(1, 1))


def test_boxes_of_mmdetection_and_a_head_without_padding(tmp_path):
    model = small_model("pconv", trunk={"head_padding": "valid"})
    model.inclusive_boxes = True
    assert smallest_image(model) == 97
    path = tmp_path / "detector.ts"
    images = [image((400, 390)), image((386, 420))]
    agreement = export_model(model, path, format="torchscript", images=images)
    assert agreement.detections > 5
    given = {"image": images[0], "height": 200, "width": 195}
    with torch.no_grad():
        expected = model([given])[0]["instances"].pred_boxes.tensor
    found = ExportedModel(load_exported(path, trust=True))([given])[0][
        "instances"
    ].pred_boxes.tensor
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)
