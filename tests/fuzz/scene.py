"""A small data set with results, which a test then damages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ANNOTATIONS: dict[str, Any] = {
    "images": [
        {"id": i, "file_name": f"{i}.png", "width": 40, "height": 30, "license": 1} for i in (1, 2)
    ],
    "annotations": [
        {
            "id": i,
            "image_id": 1 + i % 2,
            "category_id": 3,
            "bbox": [4.0, 5.0, 10.0, 12.0],
            "area": 120.0,
            "iscrowd": int(i == 3),
            "segmentation": [[4, 5, 14, 5, 14, 17]],
        }
        for i in (1, 2, 3)
    ],
    "categories": [{"id": 3, "name": "ring"}, {"id": 5, "name": "star"}],
}
RESULTS: list[dict[str, Any]] = [
    {"image_id": i, "category_id": c, "bbox": [5.0, 5.0, 9.0, 12.0], "score": 0.8}
    for i, c in ((1, 3), (1, 5), (2, 3))
]
METRICS: list[dict[str, Any]] = [
    {"iteration": i, "total_loss": 1.5, "lr": 0.01, "time": 0.1, "bbox/AP": 20.0, "bbox/AP-ring": 3}
    for i in (9, 19)
]


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in ANNOTATIONS["images"]:
        size = (entry["height"], entry["width"], 3)
        Image.fromarray(np.full(size, 90, np.uint8)).save(folder / entry["file_name"])


def write_run(folder: Path) -> None:
    """Output folder of a training, beside its data in ``data``."""
    data = folder / "data"
    write_images(data / "val2017")
    for path, content in (
        (data / "annotations" / "instances_val2017.json", ANNOTATIONS),
        (folder / "inference" / "coco_instances_results.json", RESULTS),
        (folder / "quickstart.json", {"data": str(data), "variant": "sepc", "iterations": 20}),
        (folder / "finished.json", {"AP": 20.0, "AP50": 40.0, "AP small (under 32 px)": -1.0}),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / "metrics.json").write_text("\n".join(map(json.dumps, METRICS)))
    (folder / "config.yaml").write_text("optimizer:\n  lr: 0.01\nmodel:\n  num_classes: 2\n")
    (folder / "log.txt").write_text("Environment info:\n-----  ---\ntorch  2.0 @/x\n-----  ---\n")
