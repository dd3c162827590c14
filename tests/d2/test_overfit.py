"""Every detector learns four generated images by heart."""

import json

import pytest
import torch
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from sepc.d2.datasets import register_coco_folder
from sepc.d2.engine import evaluate
from sepc.data.coco_folder import write_dataset

from .helpers import tiny_config

DETECTORS = ["retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "fsaf_retinanet"]
ITERATIONS = 110
SMALLEST = 10  # pixels; two smaller objects may share the only position of a detector


@pytest.fixture(scope="module")
def four_images(tmp_path_factory):
    """Registers ``four_train``: 4 images of 64 pixels with 9 objects, none hiding another."""
    folder = tmp_path_factory.mktemp("data") / "four"
    write_dataset(folder, train_images=4, val_images=1, image_size=64, seed=58, progress=False)
    path = folder / "annotations" / "instances_train2017.json"
    data = json.loads(path.read_text())
    data["annotations"] = [x for x in data["annotations"] if min(x["bbox"][2:]) >= SMALLEST]
    assert len(data["annotations"]) == 9
    path.write_text(json.dumps(data))
    register_coco_folder("four", folder)


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
    torch.manual_seed(0)
    model = instantiate(cfg.model).train()
    batch = next(iter(instantiate(cfg.dataloader.train)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, ITERATIONS, pct_start=0.2)
    with EventStorage():
        for _ in range(ITERATIONS):
            optimizer.zero_grad()
            sum(model(batch).values()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
            optimizer.step()
            schedule.step()
    assert evaluate(cfg, model)["bbox"]["AP50"] > 90
