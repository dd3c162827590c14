"""Tests of tools/check_data.py: what it tells of a folder or a config, and its page."""

import json
from html import unescape

import pytest

from quickstart.data import write_dataset

from . import load_tool

tool = load_tool("check_data")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_dataset(tmp_path / "data", train_images=4, val_images=2, image_size=64, progress=False)
    return tmp_path / "data"


def change(folder, split, key, value):
    path = folder / "annotations" / f"instances_{split}2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0][key] = value
    path.write_text(json.dumps(content))


def test_good_folder(folder, tmp_path, capsys):
    assert tool.main([str(folder), "--page", str(tmp_path / "page.html")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["train: 4 images, 0 problem(s)", "val: 2 images, 0 problem(s)"]
    page = (tmp_path / "page.html").read_text()
    assert "No problem found" in page and page.count("data:image/jpeg") == 6
    assert "1 dotted circle" in page and "px and more" in page


def test_all_problems_are_told_and_shown(folder, tmp_path, capsys):
    change(folder, "train", "bbox", [0, 0, "9", 9])
    change(folder, "val", "area", -1)
    (folder / "train2017" / "000000000002.jpg").write_bytes(b"")
    page = tmp_path / "page.html"
    assert tool.main([str(folder), "--page", str(page)]) == 2
    out, err = capsys.readouterr()
    assert "expected bbox [x, y, width, height] of numbers up to 1e9" in out and '"9"' in out
    assert "expected area a number from 0 to 1e10, got -1" in out
    assert err == "error: 2 problem(s), see above\n"
    assert page.read_text().count('class="wrong"') == 2


def test_images_that_cannot_be_used_are_named_beside_what_is_fine(folder, tmp_path, capsys):
    content = json.loads((folder / "annotations" / "instances_train2017.json").read_text())
    name = f"{content['annotations'][0]['image_id']:012d}.jpg"
    (folder / "train2017" / name).write_bytes(b"")
    page = tmp_path / "page.html"
    assert tool.main([str(folder), "--page", str(page)]) == 2
    assert f"{name} is empty" in capsys.readouterr().out
    assert f"{name}: expected an image, cannot identify" in unescape(page.read_text())


def test_no_data(tmp_path, capsys):
    assert tool.main([str(tmp_path)]) == 2
    assert "expected" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_config_is_held_against_its_model(folder, capsys):
    pytest.importorskip("detectron2")
    from detectron2.data import DatasetCatalog, MetadataCatalog

    from sepc.d2.datasets import register_coco_folder

    register_coco_folder("checked", folder)
    try:
        names = {"train": "checked_train", "test": "checked_val"}
        overrides = [f"dataloader.{x}.dataset.names={name}" for x, name in names.items()]
        config = ["configs/quickstart/retinanet_sepc.py", *overrides]
        assert tool.main(config) == 0
        assert tool.main([*config, "model.num_classes=5"]) == 2
        assert "expected model.num_classes to be the number" in capsys.readouterr().out
        assert tool.main(["no/such.py"]) == 2
    finally:
        for name in ("checked_train", "checked_val"):
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
