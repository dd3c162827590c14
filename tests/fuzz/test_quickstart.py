"""Files that a quick start finds in its output folder, and its data."""

import json
import random

import pytest
import torch

from quickstart import torchvision_job
from quickstart.coco_images import CocoImages
from quickstart.data import write_dataset
from quickstart.evaluation import coco_metrics
from quickstart.settings import Settings

from .mutations import damaged_bytes, damaged_json_text
from .outcome import check
from .scene import ANNOTATIONS, RESULTS, write_images


@pytest.fixture
def settings(tmp_path):
    made = Settings(tmp_path / "data", tmp_path / "run", "pconv", "torchvision", 5)
    write_images(made.val_images)
    made.val_json.parent.mkdir(parents=True)
    made.val_json.write_text(json.dumps(ANNOTATIONS))
    made.results.parent.mkdir(parents=True)
    made.results.write_text(json.dumps(RESULTS))
    made.claim()
    return made


def test_stamps_results_and_data(settings):
    stamp = settings.output / "quickstart.json"
    good = {path: path.read_bytes() for path in (stamp, settings.val_json, settings.results)}

    def make(rng: random.Random):
        path = rng.choice(list(good))
        return path, damaged_json_text(json.loads(good[path]), rng)

    def read(given) -> None:
        path, content = given
        path.write_bytes(content)
        try:
            settings.claim()
            CocoImages(settings.val_json, settings.val_images)
            coco_metrics(settings.val_json, settings.load_results())
        finally:
            path.write_bytes(good[path])

    check(read, make)


def test_generated_data(tmp_path):
    folder = tmp_path / "shapes"
    arguments = {"train_images": 1, "val_images": 1, "image_size": 64, "progress": False}
    write_dataset(folder, **arguments)
    content = json.loads((folder / "generated.json").read_text())

    def read(damaged: bytes) -> None:
        (folder / "generated.json").write_bytes(damaged)
        write_dataset(folder, **arguments)

    check(read, lambda rng: damaged_json_text(content, rng))


def test_checkpoints_of_another_training(tmp_path):
    path = tmp_path / "checkpoint.pth"
    layer = torch.nn.Linear(2, 2)
    parts = {"model": layer, "optimizer": torch.optim.SGD(layer.parameters(), 1.0)}
    good = {name: part.state_dict() for name, part in parts.items()} | {"iteration": 3}
    torch.save(good, path)
    assert torchvision_job._restore(path, parts) == 3
    content = path.read_bytes()

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return damaged_bytes(content, rng)
        wrong = dict(good)
        wrong[rng.choice(list(good))] = rng.choice((None, {}, [], "x", {"weight": torch.ones(3)}))
        torch.save(wrong, path)
        return path.read_bytes()

    def read(damaged: bytes) -> None:
        path.write_bytes(damaged)
        torchvision_job._restore(path, parts)

    check(read, make)
