"""Every detector learns four generated images by heart."""

import pytest

from sepc.d2.engine import evaluate

from .four_images import learn_by_heart, register_four_images
from .helpers import tiny_config

DETECTORS = ["retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "fsaf_retinanet"]


@pytest.fixture(scope="module")
def four_images(tmp_path_factory):
    register_four_images("four", tmp_path_factory.mktemp("data") / "four")


# iterations, channels and stages: GFL learns its distributions of distances slower than that
@pytest.mark.parametrize(
    ("detector", "iterations", "channels", "stages"),
    [(detector, *((110, 64, 4) if detector == "gfl" else (80, 32, 1))) for detector in DETECTORS],
    ids=DETECTORS,
)
def test_overfits_four_images(four_images, detector, iterations, channels, stages, tmp_path):
    variant = "sepc" if detector == "fsaf_retinanet" else "pconv_ibn"
    overrides = {
        "dataloader.train.dataset.names": "four_train",
        "dataloader.test.dataset.names": "four_train",
        "dataloader.train.total_batch_size": 4,
        "dataloader.train.mapper.augmentations": "[]",
        "+dataloader.evaluator.output_dir": str(tmp_path),
        "model.backbone.out_channels": channels,
        "model.head.trunk.variant": "pconv_ibn",
        "+model.head.trunk.num_stages": stages,
    }
    cfg = tiny_config(tmp_path, variant, detector, **overrides)
    model = learn_by_heart(cfg, iterations)
    assert evaluate(cfg, model)["bbox"]["AP50"] > 90
