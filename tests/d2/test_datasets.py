import importlib
import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("detectron2")

from detectron2.config import LazyConfig, instantiate
from detectron2.data import DatasetCatalog, DatasetMapper, MetadataCatalog

from quickstart.data import SHAPES, write_dataset
from sepc.d2 import datasets
from sepc.d2.engine import complete_train_loader, load_config

from .helpers import ROOT


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder for DETECTRON2_DATASETS with the data sets ``coco`` and ``shapes``."""
    root = tmp_path_factory.mktemp("root")
    settings = {"train_images": 30, "val_images": 2, "image_size": 64, "progress": False}
    write_dataset(root / "coco", categories="coco", **settings)
    write_dataset(root / "shapes", **settings)
    return root


@pytest.fixture
def registered(root):
    """The shapes, registered under another name."""
    datasets.register_coco_folder("ours", root / "shapes")
    yield "ours"
    for name in ("ours_train", "ours_val"):
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_builtin_coco_names_load_a_generated_folder(root):
    code = """
import json
from detectron2.config import LazyConfig, instantiate
from detectron2.data import DatasetCatalog, MetadataCatalog
import sepc.d2.datasets as datasets
names = ["coco_2017_train", "coco_2017_val", "shapes_train", "shapes_val"]
datasets.check_registered(names)
found = {name: DatasetCatalog.get(name) for name in names}
print(json.dumps({
    "images": {name: len(dicts) for name, dicts in found.items()},
    "classes": {name: len(MetadataCatalog.get(name).thing_classes) for name in names},
    "file": found["shapes_val"][0]["file_name"],
}))
"""
    environment = {
        **os.environ,
        "DETECTRON2_DATASETS": str(root),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout.splitlines()[-1])
    assert list(printed["images"].values()) == [30, 2, 30, 2]
    assert list(printed["classes"].values()) == [80, 80, 12, 12]
    assert printed["file"] == str(root / "shapes/val2017/000000000001.jpg")


READ_BY_DETECTRON2 = """
from detectron2.config import LazyConfig, instantiate
from detectron2.data.benchmark import DataLoaderBenchmark
cfg = LazyConfig.load("configs/quickstart/retinanet_sepc.py")
cfg.dataloader.train.total_batch_size = 2
print(len(next(iter(instantiate(cfg.dataloader.train)))))
cfg.dataloader.train._target_ = DataLoaderBenchmark
benchmark = instantiate(cfg.dataloader.train)
print("image" in benchmark.mapper(benchmark.dataset[0]))
"""


def test_programs_of_detectron2_find_the_data_of_a_config(root):
    """They read the config alone, as tools/visualize_data.py and tools/benchmark.py do."""
    environment = {**os.environ, "DETECTRON2_DATASETS": str(root)}
    command = [sys.executable, "-c", READ_BY_DETECTRON2]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.split() == ["2", "True"], run.stderr


@pytest.mark.parametrize(("loader", "expected"), [({}, 7), ({"seed": 5}, 5)])
def test_training_goes_by_one_seed(loader, expected):
    cfg = LazyConfig.load(str(ROOT / "configs" / "quickstart" / "retinanet_sepc.py"))
    cfg.train.seed = 7
    cfg.dataloader.train.update(loader)
    complete_train_loader(cfg)
    assert cfg.dataloader.train.seed == expected
    cfg.dataloader.train = {"_target_": "detectron2.data.build_detection_train_loader"}
    complete_train_loader(cfg)
    assert "seed" not in cfg.dataloader.train


def test_shapes_are_registered_and_importing_again_is_harmless():
    importlib.reload(datasets)
    assert {"shapes_train", "shapes_val"} <= set(DatasetCatalog.list())
    assert MetadataCatalog.get("shapes_val").thing_classes == list(SHAPES)
    assert MetadataCatalog.get("shapes_val").evaluator_type == "coco"


def test_mapper_reads_boxes_and_polygons(registered):
    mapper = DatasetMapper(
        is_train=True, augmentations=[], image_format="BGR", use_instance_mask=True
    )
    for record in DatasetCatalog.get("ours_train"):
        instances = mapper(record)["instances"]
        single = [a for a in record["annotations"] if not a["iscrowd"]]
        assert len(instances) == len(single)
        if single:
            from_masks = instances.gt_masks.get_bounding_boxes().tensor
            assert (from_masks - instances.gt_boxes.tensor).abs().max() < 1e-3
            assert set(instances.gt_classes.tolist()) <= set(range(12))


def test_registering_a_folder_twice(root, registered):
    datasets.register_coco_folder("ours", root / "shapes")
    with pytest.raises(ValueError, match=r"ours_train is registered already, with .*shapes"):
        datasets.register_coco_folder("ours", root / "coco")


def test_files_that_a_config_names(root, tmp_path, caplog):
    """By overrides alone, for data whose files have other names than COCO's."""
    annotations = shutil.copy(
        root / "shapes/annotations/instances_val2017.json", tmp_path / "a.json"
    )
    images = shutil.copytree(root / "shapes" / "val2017", tmp_path / "some-images")
    config = str(ROOT / "configs" / "quickstart" / "fcos_sepc.py")
    files = [
        f"+datasets.held_out.json_file={annotations}",
        f"+datasets.held_out.image_root={images}",
    ]
    try:
        cfg = load_config(config, [*files, "dataloader.test.dataset.names=held_out"])
        datasets.check_registered("held_out", evaluation=True)
        assert len(instantiate(cfg.dataloader.test.dataset)) == 2
        LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
        assert "which has this name" not in caplog.text
        load_config(str(tmp_path / "config.yaml"))  # once more is fine
        other = shutil.copy(annotations, tmp_path / "other.json")
        load_config(config, [f"+datasets.held_out={{json_file: {other}, image_root: {images}}}"])
        assert f"a.json is used, which has this name; not {other}" in caplog.text
    finally:
        DatasetCatalog.remove("held_out")
        MetadataCatalog.remove("held_out")


@pytest.mark.parametrize("value", ["x=file.json", "x={json_file: a.json}", "x=[a.json,b]"])
def test_files_that_are_none(value):
    config = str(ROOT / "configs" / "quickstart" / "fcos_sepc.py")
    with pytest.raises(ValueError, match=r"datasets.x: expected json_file and image_root, got "):
        load_config(config, [f"+datasets.{value}"])


def test_check_registered(root, registered, tmp_path):
    datasets.check_registered("ours_train")
    datasets.check_registered(["ours_train", "ours_val"], evaluation=True)
    named = r"similar names: ours_train.*; it is named by dataloader\.train\.dataset\.names"
    with pytest.raises(ValueError, match=rf"got 'ours_tain'; {named}"):
        datasets.check_registered(["ours_val", "ours_tain"])
    datasets.register_coco_folder("gone", tmp_path / "gone")
    try:
        with pytest.raises(FileNotFoundError, match=r"data set gone_val: .*gone/annotations"):
            datasets.check_registered("gone_val")
    finally:
        for name in ("gone_train", "gone_val"):
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
