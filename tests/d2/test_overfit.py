"""Every detector learns four generated images by heart."""

import pytest

from sepc.d2.engine import evaluate

from .four_images import learn_by_heart, register_four_images
from .helpers import tiny_config

DETECTORS = ["retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "fsaf_retinanet"]
ITERATIONS = 110


@pytest.fixture(scope="module")
def four_images(tmp_path_factory):
    register_four_images("four", tmp_path_factory.mktemp("data") / "four")


@pytest.mark.parametrize("detector", DETECTORS)
def test_overfits_four_images(four_images, detector, tmp_path):
    variant = "sepc" if detector == "fsaf_retinanet" else "pconv_ibn"
    overrides = {
        "dataloader.train.dataset.names": "four_train",
        "dataloader.test.dataset.names": "four_train",
        "dataloader.train.total_batch_size": 4,
        "dataloader.train.mapper.augmentations": "[]",
        "+dataloader.evaluator.output_dir": str(tmp_path),
        "model.backbone.out_channels": 64,
        "model.head.trunk.variant": "pconv_ibn",
    }
    cfg = tiny_config(tmp_path, variant, detector, **overrides)
    model = learn_by_heart(cfg, ITERATIONS)
    assert evaluate(cfg, model)["bbox"]["AP50"] > 90
