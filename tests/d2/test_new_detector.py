"""A detector added as sepc.d2.detectors says: it trains, detects and exports as the others do."""

import pytest
import torch
from detectron2.config import LazyConfig, instantiate

from sepc.d2.engine import load_config
from sepc.d2.export import export_model
from sepc.export import load_exported

from ..export.helpers import spread
from .detector import DetectorEndToEnd
from .helpers import ROOT, tiny_overrides

FOLDER = ROOT / "tests" / "d2" / "new_detector"


def toy_config(folder):
    return load_config(str(FOLDER / "config.py"), tiny_overrides(folder))


class TestNewDetector(DetectorEndToEnd):
    @pytest.fixture
    def model(self, tmp_path):
        torch.manual_seed(7)
        return instantiate(toy_config(tmp_path).model)


def test_it_takes_less_than_60_lines():
    code = [line for path in FOLDER.glob("*.py") for line in path.read_text().splitlines() if line]
    assert 0 < len(code) < 60


def test_saved_config_is_that_detector(tmp_path):
    LazyConfig.save(toy_config(tmp_path), str(tmp_path / "config.yaml"))
    model = instantiate(load_config(str(tmp_path / "config.yaml")).model)
    assert type(model).__name__ == "Middles"


def test_export(tmp_path):
    torch.manual_seed(0)
    model = instantiate(toy_config(tmp_path).model).eval()
    images = [torch.randint(256, (3, *s), dtype=torch.uint8) for s in ((136, 150), (64, 75))]
    with torch.no_grad():
        maps = model.backbone((images[0][None, :, :128, :128] - model.pixel_mean) / 64)
        predictions = model.head([maps[name] for name in model.head_in_features])
    for predictor, outputs, bias in zip(
        (model.head.cls_score, model.head.bbox_pred), predictions, (-3.0, 1.0), strict=True
    ):
        flat = torch.cat([x.flatten() for x in outputs])
        spread(predictor, flat, std=0.7, bias=bias)
    path = tmp_path / "toy.ts"
    agreement = export_model(model, path, format="torchscript", images=images)
    assert agreement.detections > 5
    assert load_exported(path, trust=True).metadata["detector"] == "Middles"
