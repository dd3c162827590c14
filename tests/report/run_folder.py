"""Small copy of the folder that a training of the quick start leaves."""

import json
from pathlib import Path

import cv2
import numpy as np

LOG = """\
[11/20 23:42:24] detectron2 INFO: Environment info:
-------------------------  ------------------------------
sys.platform               linux
PyTorch                    2.0 @/home/somebody/torch
GPU available              No: torch.cuda.is_available() == False
-------------------------  ------------------------------
PyTorch built with:
"""
CONFIG = """\
dataloader:
  train: {total_batch_size: 16}
model:
  head:
    trunk: {in_channels: 64, variant: sepc_lite}
  num_classes: 2
optimizer:
  _target_: torch.optim.AdamW
  betas: [0.9, 0.999]
  lr: 0.001
train:
  max_iter: 40
  seed: 1
"""


def make_run(tmp_path: Path) -> Path:
    """Make the output folder of a training named ``<run> & co``, beside its data."""
    data, run = tmp_path / "shapes", tmp_path / "<run> & co"
    for folder in (data / "annotations", data / "val2017", run / "inference"):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for image in (1, 2, 3):
        pixels = rng.integers(256, size=(48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(data / "val2017" / f"{image}.png"), pixels)
        box = {"image_id": image, "category_id": 1, "bbox": [4.0, 4, 20 * image, 30]}
        annotations.append({**box, "id": image, "iscrowd": 0, "area": 600.0 * image})
        results.append({**box, "score": 0.9, "category_id": 1 + image % 2})
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in (1, 2, 3)],
        "categories": [{"id": 1, "name": "a<b"}, {"id": 2, "name": "star"}],
        "annotations": annotations,
    }
    (data / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    (run / "inference" / "coco_instances_results.json").write_text(json.dumps(results))
    settings = {"data": str(data), "variant": "sepc_lite", "binding": "detectron2"}
    (run / "quickstart.json").write_text(json.dumps(settings))
    lines = [
        {"iteration": 19, "total_loss": 2.0, "loss_cls": 1.5, "lr": 0.1, "time": 0.5},
        {"iteration": 39, "total_loss": 1.0, "loss_cls": 0.7, "lr": 0.05, "time": 1.0},
        {
            "iteration": 40,
            **{f"bbox/{key}": 12.34 for key in ("AP", "AP50", "AP75", "APs", "AP-a<b", "AP-star")},
            "bbox/APm": 56.7,
            "bbox/APl": -1.0,
        },
    ]
    (run / "metrics.json").write_text("\n".join(json.dumps(line) for line in lines))
    (run / "log.txt").write_text(LOG)
    (run / "config.yaml").write_text(CONFIG)
    return run
