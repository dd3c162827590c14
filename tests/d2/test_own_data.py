"""Training on a folder of data without a config of its own, and what it leaves."""

import json
import logging
import re
import shutil

import cv2
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog

from quickstart.data import write_dataset
from sepc.commands.train import parse_args, train
from sepc.d2.engine import DataNote, load_config, noted_metadata
from sepc.d2.export.config import config_metadata
from sepc.d2.own_data import config_for_data
from sepc.d2.predictor import Predictor
from sepc.report import Run

from .helpers import CONFIGS, tiny_overrides

COCO_CONFIG = str(CONFIGS / "COCO-Detection" / "retinanet_R_50_FPN_sepc_lite_1x.py")
SMALL_CONFIG = str(CONFIGS / "quickstart" / "retinanet_sepc.py")
SHAPES = ["dotted circle", "ringed circle", "barred circle"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 images of 64 pixels to train on, 38 with objects; without COCO's year in the names."""
    folder = tmp_path_factory.mktemp("data") / "mine"
    write_dataset(folder, train_images=40, val_images=3, image_size=64, seed=2, progress=False)
    for split in ("train", "val"):
        (folder / f"{split}2017").rename(folder / split)
        file = folder / "annotations" / f"instances_{split}2017.json"
        file.rename(file.with_name(f"{split}.json"))
    yield folder
    forget("mine")


def forget(prefix):
    for name in (f"{prefix}_train", f"{prefix}_val"):
        if name in DatasetCatalog:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)


def test_what_depends_on_the_data_follows_them(folder):
    cfg, notes = config_for_data(COCO_CONFIG, [], folder, processes=2)
    train, loaders = cfg.train, cfg.dataloader
    assert cfg.model.num_classes == 12
    assert (loaders.train.dataset.names, loaders.test.dataset.names) == ("mine_train", "mine_val")
    for resize in (loaders.train.mapper.augmentations[0], loaders.test.mapper.augmentations[0]):
        assert (resize.short_edge_length, resize.max_size) == (128, 213)  # 2 x 64; 1333 / 800
    assert loaders.train.total_batch_size == 8 and cfg.optimizer.lr == 0.005  # 0.01 for 16
    assert train.max_iter == 2500  # 20,000 images by eight
    assert round(cfg.lr_multiplier.warmup_length * train.max_iter) == 250
    assert train.eval_period == train.checkpointer.period == 209  # twelve times
    assert train.output_dir == "./output/mine/retinanet_R_50_FPN_sepc_lite_1x"
    topics = ", ".join(line.partition(":")[0] for line in notes)
    assert topics == "classes, image size, batch, learning rate, iterations, warm-up, evaluation"
    assert "median 64" in notes[1] and "enlarged 2 times" in notes[1]
    assert "526.3 epochs of 38 images" in notes[4]


def test_overrides_win_and_the_rest_follows_them(folder):
    overrides = ["dataloader.train.total_batch_size=2", "train.max_iter=100", "train.accumulate=2"]
    cfg, notes = config_for_data(COCO_CONFIG, overrides, folder)
    assert cfg.dataloader.train.total_batch_size == 2 and cfg.train.max_iter == 100
    assert cfg.optimizer.lr == 0.0025  # two batches of two
    assert cfg.lr_multiplier.warmup_length == 0.1 and cfg.train.eval_period == 10
    assert not any(line.startswith(("batch:", "iterations:")) for line in notes)
    cfg, _ = config_for_data(COCO_CONFIG, ["optimizer.lr=0.7", "model.num_classes=3"], folder)
    assert cfg.optimizer.lr == 0.7 and cfg.model.num_classes == 3


@pytest.mark.parametrize(
    "name", ["COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py", "quickstart/retinanet_sepc.py"]
)
def test_other_kinds_of_configs(folder, name):
    cfg, _ = config_for_data(str(CONFIGS / name), [], folder)
    found = cfg.model.get("num_classes") or cfg.model.roi_heads.num_classes
    assert found == 12 and cfg.dataloader.train.total_batch_size == 4
    base = load_config(str(CONFIGS / name))
    if "quickstart" in name:  # AdamW, images at their own size
        assert cfg.optimizer.lr == pytest.approx(base.optimizer.lr / 2, rel=0.01)
        assert list(cfg.dataloader.test.mapper.augmentations) == []
    else:
        resize = cfg.dataloader.train.mapper.augmentations[0]
        assert list(resize.short_edge_length) == [102, 108, 113, 118, 123, 128]


def test_large_images_and_data_keep_the_recipe(folder, tmp_path):
    """COCO's own numbers give the authors' schedule back."""
    copy = tmp_path / "large"
    shutil.copytree(folder, copy)
    file = copy / "annotations" / "train.json"
    content = json.loads(file.read_text())
    first = content["images"][0]
    box = next(x for x in content["annotations"] if x["image_id"] == first["id"])
    images = [{**first, "id": i, "width": 640, "height": 480} for i in range(1, 1001)]
    boxes = [{**box, "id": i, "image_id": i} for i in range(1, 1001)]
    file.write_text(json.dumps({**content, "images": images, "annotations": boxes}))
    overrides = ["train.accumulate=4"]
    try:
        cfg, _ = config_for_data(COCO_CONFIG, overrides, copy)
    finally:
        forget("large")
    assert cfg.optimizer.lr == 0.01  # four batches of four
    assert cfg.dataloader.test.mapper.augmentations[0].short_edge_length == 800
    assert cfg.train.max_iter == 1250  # 20,000 images; 12 epochs are fewer


def test_a_folder_may_have_the_name_of_other_data(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "mine")
    config_for_data(COCO_CONFIG, [], folder)
    cfg, _ = config_for_data(COCO_CONFIG, [], other)
    try:
        assert cfg.dataloader.train.dataset.names == "mine_2_train"
        assert MetadataCatalog.get("mine_2_val").image_root == str(other / "val")
    finally:
        forget("mine_2")


@pytest.mark.parametrize("missing", ["annotations/val.json", "train"])
def test_missing_files_are_named(folder, tmp_path, missing):
    copy = tmp_path / "part"
    shutil.copytree(folder, copy)
    (copy / missing).rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError, match=r"--data: expected annotations/.*; there is no"):
        config_for_data(COCO_CONFIG, [], copy)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """Output folder and terminal of `train_net.py --data --show-batches`, evaluated twice."""
    output = tmp_path_factory.mktemp("trained") / "out"
    others = {"train.eval_period": 2, "+model.test_score_thresh": 0.001}
    overrides = tiny_overrides(output, **others)
    kept = [x for x in overrides if "dataset.names" not in x and "report" not in x]
    flags = ["--config-file", SMALL_CONFIG, "--data", str(folder), "--show-batches"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        lines = Terminal()
        patch.setattr("sys.stdout", lines)
        train(parse_args([*flags, "--num-gpus", "0", *kept]))
    forget("mine")  # as in another process, later
    return output, lines.text


class Terminal:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        """Nothing is buffered."""


def test_the_terminal_is_told_what_one_needs(trained):
    output, told = trained
    for text in ("From the data: classes: 12", "iteration 1 of 4", "iteration 4 of 4"):
        assert text in told
    log = (output / "log.txt").read_text()
    for text in ("Environment info", f"Contents of {SMALL_CONFIG}", "From the data: classes: 12"):
        assert text in log
    assert "Environment info" not in told and "Contents of" not in told
    assert re.search(
        r": Python 3\S+, torch \S+, Detectron2 \S+, on the CPU, \d+ thread\(s\)\n", told
    )
    assert told.count("Per-category bbox AP") == told.count("Average Precision") // 6 == 1
    assert log.count("Per-category bbox AP") == 2
    assert told.count("bbox: AP ") == 1  # of the first evaluation, in place of its tables


def test_saved_config_and_checkpoint_know_the_data(trained, folder):
    output, _ = trained
    cfg = load_config(str(output / "config.yaml"))
    assert cfg.datasets.mine_val.image_root == str(folder / "val")
    assert "mine_val" in DatasetCatalog
    note = torch.load(output / "model_final.pth", weights_only=True)["data"]
    assert note == DataNote(cfg).state_dict()
    assert note["class_names"][:3] == SHAPES and note["category_ids"] == [*range(1, 13)]


def test_class_names_come_from_the_checkpoint(trained):
    """Where the config names data that are nowhere, too."""
    output, _ = trained
    config, weights = str(output / "config.yaml"), str(output / "model_best.pth")
    unknown = ["dataloader.test.dataset.names=gone_val"]
    predictor = Predictor.from_config(config, weights=weights, overrides=unknown, device="cpu")
    assert (predictor.class_names or [])[:3] == SHAPES
    assert predictor.category_ids == [*range(1, 13)]
    note = torch.load(weights, weights_only=True)["data"]
    texts = config_metadata(load_config(config, unknown), note)
    assert "dotted circle" in texts["class_names"] and texts["category_ids"].startswith("1,2,3")
    shown = MetadataCatalog.get("shapes_val")
    assert noted_metadata(shown, None) is noted_metadata(shown, note) is shown


def test_best_weights_results_and_report_are_left(trained, folder):
    output, _ = trained
    rows = [json.loads(line) for line in (output / "metrics.json").read_text().splitlines()]
    highest = max(row["bbox/AP"] for row in rows if "bbox/AP" in row)
    best = torch.load(output / "model_best.pth", weights_only=True)
    assert best["evaluation"] == {"bbox/AP": highest}
    results = json.loads((output / "results.json").read_text())
    assert results["best"]["bbox/AP"] == highest and results["last"]["iteration"] == 4
    run = Run(output)
    assert run.images == folder / "val" and run.load_annotations()["images"]
    assert "data of the evaluation are not known" not in (output / "report.html").read_text()


def test_first_images_are_shown(trained):
    picture = cv2.imread(str(trained[0] / "batches.jpg"))
    assert picture.shape[1] > 4 * 320 and picture.std() > 20


def test_malformed_note_of_data(trained, tmp_path):
    text = (trained[0] / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("json_file:", "json:"))
    with pytest.raises(ValueError, match=r"datasets.mine_train: expected json_file and image_root"):
        load_config(str(tmp_path / "config.yaml"))


def test_nothing_is_left_on_the_loggers(trained):
    handlers = [h for name in ("detectron2", "sepc") for h in logging.getLogger(name).handlers]
    assert handlers and not any(handler.filters for handler in handlers)
