"""Image files that can't be used: named in one line with a checkpoint saved, or skipped."""

import json
import shutil
import signal
from itertools import islice

import pytest
import torch
from detectron2.data import DatasetMapper
from detectron2.engine import default_argument_parser
from detectron2.modeling.meta_arch import RetinaNet
from PIL import Image

import train_net
from sepc.d2.datasets import register_coco_folder
from sepc.d2.engine import BadImageError, build_test_loader, build_train_loader
from sepc.d2.engine.bad_images import BadImage, BadImages, CheckedMapper, usable

from .helpers import CONFIGS, tiny_overrides
from .test_stops import Training, on_a_cpu

CONFIG = str(CONFIGS / "quickstart" / "retinanet_sepc.py")


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def enlarge(path):
    Image.new("RGB", (80, 90)).save(path)


def overwrite(path):
    path.write_text("no image")


DAMAGES = {
    "truncated": (truncate, "truncated"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be identified as an image"),
    "no image": (overwrite, "cannot be identified as an image"),
    "another size": (enlarge, r"\(80, 90\), expect \(64, 64\)"),
    "deleted": (lambda path: path.unlink(), "No such file or directory"),
}


@pytest.fixture
def data(tiny_data, tmp_path):
    """A copy of the small data set to damage, registered by the name ``damaged``."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_data, folder)
    name = f"damaged_{tmp_path.name}"
    register_coco_folder(name, folder)
    return name, folder


def run(data, output, *flags, **others):
    overrides = tiny_overrides(
        output,
        **{
            "dataloader.train.dataset.names": f"{data[0]}_train",
            "dataloader.test.dataset.names": f"{data[0]}_val",
            "train.max_iter": 6,
            "train.checkpointer.period": 100,
            **others,
        },
    )
    arguments = ["--config-file", CONFIG, "--num-gpus", "0", *flags, *overrides]
    return train_net.main(default_argument_parser().parse_args(arguments))


def at_forward(monkeypatch, number, action, *, training):
    """Let the detector do something else, too, in its forward pass of this number."""
    forward, calls = RetinaNet.forward, []

    def spy(self, inputs):
        calls.append(self.training)
        if self.training == training and calls.count(training) == number:
            action()
        return forward(self, inputs)

    monkeypatch.setattr(RetinaNet, "forward", spy)


def images_of(folder, split):
    return sorted((folder / f"{split}2017").iterdir())


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_mapper_names_the_file(tiny_data, tmp_path, kind):
    path = tmp_path / "image.jpg"
    shutil.copy(images_of(tiny_data, "train")[0], path)
    item = {"file_name": str(path), "width": 64, "height": 64}
    mapper = CheckedMapper(
        DatasetMapper(is_train=False, augmentations=[], image_format="RGB"), skip=False
    )
    assert mapper(item)["image"].shape == (3, 64, 64)
    damage, reason = DAMAGES[kind]
    damage(path)
    items, bad = usable([mapper(item)])
    assert items == []
    with pytest.raises(BadImageError, match=f"can't use .*image.jpg.*{reason}.*skip_bad_images"):
        BadImages(torch.device("cpu")).add(bad)


def test_a_defect_of_the_mapper_is_not_the_file_s(tiny_data):
    def defect(item):
        raise KeyError("annotations")

    item = {"file_name": str(images_of(tiny_data, "train")[0]), "width": 64, "height": 64}
    with pytest.raises(KeyError, match="annotations"):
        CheckedMapper(defect, skip=True)(item)
    with pytest.raises(KeyError, match="annotations"):
        CheckedMapper(defect, skip=True)({"image": None})


def read(item):
    if item["bad"]:
        raise OSError("broken off")
    return {"id": item["id"]}


def items(*bad, number=6):
    return [
        {"id": i, "width": 4, "height": 4, "bad": i in bad, "file_name": f"{i}.jpg"}
        for i in range(number)
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_another_image_is_trained_on_in_the_place_of_a_skipped_one(workers):
    """The same one whenever the batch is loaded, with any number of loader processes."""
    loader = build_train_loader(
        dataset=items(1, 2),
        mapper=read,
        total_batch_size=3,
        seed=5,
        num_workers=workers,
        skip_bad_images=True,
    )
    found, bad = zip(*map(usable, islice(loader, 4)), strict=True)
    assert [len(batch) for batch in found] == [3] * 4
    ids = [x["id"] for batch in found for x in batch]
    assert sorted(ids[:6]) == [0, 3, 3, 3, 4, 5]  # in the place of 1, that of 2, which is 3
    texts = [x.text for batch in bad for x in batch]
    assert {text.split(":")[0] for text in texts} == {"1.jpg", "2.jpg"}
    assert texts.count(texts[0]) > 1

    total = BadImages(torch.device("cpu"))
    total.add([x for batch in bad for x in batch])
    assert sum(total.counts.values()) == len(texts) == 6  # 1 leads to 2 in each of two epochs


def test_a_set_without_any_usable_image_is_an_error():
    loader = build_train_loader(
        dataset=items(*range(6)), mapper=read, total_batch_size=1, seed=5, skip_bad_images=True
    )
    _, bad = usable(next(iter(loader)))
    with pytest.raises(BadImageError, match=r"can't use 100 images in a row, first \d.jpg: "):
        BadImages(torch.device("cpu")).add(bad)


def test_a_test_loader_goes_on_without():
    loader = build_test_loader(dataset=items(0, 3), mapper=read, skip_bad_images=True)
    batches = list(loader)
    assert len(batches) == 6
    assert isinstance(batches[3][0], BadImage)
    assert [x["id"] for batch in batches for x in usable(batch)[0]] == [1, 2, 4, 5]


def test_training_saves_and_names_the_file(data, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    paths = images_of(data[1], "train")

    def remove():
        for path in paths:
            path.rename(path.with_suffix(".away"))

    at_forward(monkeypatch, 3, remove, training=True)
    with pytest.raises(SystemExit, match="2"):
        run(data, output)
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert len(errors) == 1
    assert "No such file or directory" in errors[0] and ".jpg" in errors[0]
    state = torch.load(output / (output / "last_checkpoint").read_text(), weights_only=True)
    assert f"stopped after iteration {state['iteration']}; its checkpoint is saved" in errors[0]
    assert state["iteration"] == 2
    assert "Traceback" not in (output / "log.txt").read_text()

    for path in paths:
        path.with_suffix(".away").rename(path)
    monkeypatch.undo()
    run(data, output, "--resume")
    rows = [json.loads(x) for x in (output / "metrics.json").read_text().splitlines()]
    assert [x["iteration"] for x in rows if "total_loss" in x] == list(range(6))


def test_an_evaluation_saves_and_names_the_file(data, tmp_path, capsys):
    truncate(images_of(data[1], "val")[1])
    with pytest.raises(SystemExit, match="2"):
        run(data, tmp_path, **{"train.eval_period": 2})
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith(f"error: can't use {images_of(data[1], 'val')[1]}: ")
    assert "stopped after iteration 1; its checkpoint is saved" in message
    checkpoint = tmp_path / "model_0000001.pth"
    assert checkpoint.exists()
    with pytest.raises(SystemExit, match="2"):
        run(data, tmp_path / "eval", "--eval-only", **{"train.init_checkpoint": checkpoint})
    assert "error: can't use " in capsys.readouterr().err


def test_skipped_images_are_counted(data, tmp_path):
    truncate(images_of(data[1], "train")[1])
    truncate(images_of(data[1], "val")[1])
    run(data, tmp_path, **{"dataloader.skip_bad_images": True})
    log = (tmp_path / "log.txt").read_text()
    assert "Skipped 1 image(s), 1 time(s) in all, which count as images without detections" in log
    assert log.count(f"Skipped an image: {images_of(data[1], 'train')[1]}") == 1
    assert "time(s) in all, others were trained on in their place" in log
    assert (tmp_path / "model_final.pth").exists()


def test_a_batch_that_the_model_refuses_is_named(data, tmp_path, monkeypatch, capsys):
    def refuse():
        raise ValueError("expected more than one cell")

    at_forward(monkeypatch, 2, refuse, training=True)
    with pytest.raises(SystemExit, match="2"):
        run(data, tmp_path)
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: can't train on ") and ".jpg: expected more than" in message
    assert (tmp_path / "model_0000000.pth").exists()


def test_a_signal_during_an_evaluation(data, tmp_path, monkeypatch, capsys):
    at_forward(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGTERM), training=False)
    with pytest.raises(SystemExit, match="143"):
        run(data, tmp_path, **{"train.eval_period": 2})
    error = capsys.readouterr().err
    assert "training stopped by SIGTERM after iteration 1; its checkpoint is saved" in error
    assert (tmp_path / "model_0000001.pth").exists()
    assert "bbox/AP" not in (tmp_path / "metrics.json").read_text()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@on_a_cpu
@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "val"])
def test_several_processes_stop_together(data, tmp_path, split):
    """Also where a single process, of two, has the bad image."""
    truncate(images_of(data[1], split)[1])
    others = {"dataloader.train.num_workers": 1, "train.eval_period": 20, "train.seed": 1}
    with Training(data[1], tmp_path, num_gpus=2, **others) as training:
        assert training.end() == 2
        errors = [x for x in training.text.splitlines() if x.startswith("error")]
        assert errors and all(str(images_of(data[1], split)[1].name) in x for x in errors)
        assert training.no_process_left()
        if split == "val":
            assert training.saved() == 19
