"""Four generated images, and learning them by heart."""

import json

import torch
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from quickstart.data.coco_folder import write_dataset
from sepc.d2.datasets import register_coco_folder

SMALLEST = 10  # pixels; two smaller objects may share the only position of a detector


def register_four_images(name, folder):
    """Registers ``<name>_train``: 4 images of 64 pixels with 9 objects, hardly overlapping."""
    write_dataset(folder, train_images=4, val_images=1, image_size=64, seed=0, progress=False)
    path = folder / "annotations" / "instances_train2017.json"
    data = json.loads(path.read_text())
    data["annotations"] = [x for x in data["annotations"] if min(x["bbox"][2:]) >= SMALLEST]
    assert len(data["annotations"]) == 9
    path.write_text(json.dumps(data))
    register_coco_folder(name, folder)


def learn_by_heart(cfg, iterations):
    """The model of a config, trained on one batch of its data."""
    torch.manual_seed(0)
    model = instantiate(cfg.model).train()
    batch = next(iter(instantiate(cfg.dataloader.train)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, iterations, pct_start=0.2)
    with EventStorage():
        for _ in range(iterations):
            optimizer.zero_grad()
            sum(model(batch).values()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
            optimizer.step()
            schedule.step()
    return model
