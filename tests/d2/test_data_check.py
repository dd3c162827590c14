"""The check of data sets: each file, the sets against each other and against the model."""

import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from omegaconf import OmegaConf
from PIL import Image

from sepc.d2.data_check import check_data, read_boxes_alone
from sepc.d2.datasets import register_coco_folder

NAMES = ("bolt", "nut", "washer")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Returns (contents, check): change the contents of "train" and "val", then call check."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "annotations").mkdir()
    contents = {}
    for split in ("train", "val"):
        (tmp_path / f"{split}2017").mkdir()
        Image.new("RGB", (64, 48)).save(tmp_path / f"{split}2017" / "a.png")
        contents[split] = {
            "images": [{"id": 5, "file_name": "a.png", "height": 48, "width": 64}],
            "categories": [{"id": 10 + i, "name": name} for i, name in enumerate(NAMES)],
            "annotations": [
                {
                    "id": 1 + i,
                    "image_id": 5,
                    "category_id": 10 + i,
                    "bbox": [4, 5, 20, 10 + i],
                    "area": 200,
                    "iscrowd": 0,
                    "segmentation": [[4, 5, 24, 5, 24, 15]],
                }
                for i in range(3)
            ],
        }
    register_coco_folder("parts", tmp_path)

    def check(*, num_classes=3, masks=False, training=True):
        for split, content in contents.items():
            file = tmp_path / "annotations" / f"instances_{split}2017.json"
            file.write_text(json.dumps(content))
        mapper = {"use_instance_mask": masks}
        loaders = {
            split: {"dataset": {"names": f"parts_{name}"}, "mapper": mapper}
            for split, name in (("train", "train"), ("test", "val"))
        }
        cfg = OmegaConf.create({"dataloader": loaders, "model": {"num_classes": num_classes}})
        check_data(cfg, training=training, show_progress=False)

    yield contents, check
    for name in ("parts_train", "parts_val"):
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_boxes_alone_are_read_as_detectron2_reads_them(data):
    _, check = data
    check()
    theirs = DatasetCatalog.get("parts_train")
    metadata = MetadataCatalog.get("parts_train").as_dict()
    read_boxes_alone("parts_train")
    ours = DatasetCatalog.get("parts_train")
    assert all("segmentation" in a and a.pop("segmentation") for a in theirs[0]["annotations"])
    assert ours == theirs
    assert MetadataCatalog.get("parts_train").as_dict() == metadata
    assert metadata["thing_classes"] == list(NAMES)


def test_box_stays_whatever_its_segmentation(data):
    contents, check = data
    contents["train"]["annotations"][1]["segmentation"] = [[4, 5, 24, 15]]
    contents["train"]["annotations"][2]["segmentation"] = [4, 5, 24, 15, 3, 3]
    with pytest.raises(ValueError, match=r"parts_train: .*annotation 2 expected segmentation"):
        check(masks=True)
    check()
    (image,) = DatasetCatalog.get("parts_train")
    assert [a["bbox"] for a in image["annotations"]] == [[4, 5, 20, h] for h in (10, 11, 12)]
    assert [a["category_id"] for a in image["annotations"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([(11, "nut"), (12, "washer")], r'class 0 is 10 "bolt" in \w+ and 11 "nut" in parts_val'),
        ([(10, "bolt"), (11, "nut")], r'class 2 is 12 "washer" in \w+ and missing in parts_val'),
        ([(10, "washer"), (11, "nut"), (12, "bolt")], r'class 0 is 10 "bolt" .* 10 "washer"'),
        ([*zip((1, 2, 3, 4), (*NAMES, "none"), strict=True)], r'missing in \w+ and 4 "none" in'),
        ([*zip((1, 2, 3, 4), (*NAMES, "x"), strict=True)], r'class 3 is missing in .* 4 "x" in'),
    ],
)
def test_categories_of_train_and_test(data, categories, message):
    contents, check = data
    contents["val"]["categories"] = [{"id": i, "name": name} for i, name in categories]
    for annotation in contents["val"]["annotations"]:
        annotation["category_id"] = categories[0][0]
    with pytest.raises(ValueError, match=f"sets parts_train and parts_val differ .*{message}"):
        check()
    check(training=False, num_classes=len(categories))  # alone it is fine


def test_other_ids_of_the_same_names_in_the_same_order_are_fine(data):
    contents, check = data
    contents["val"]["categories"] = [{"id": i, "name": n} for i, n in enumerate(NAMES)]
    for annotation in contents["val"]["annotations"]:
        annotation["category_id"] -= 10
    check()


@pytest.mark.parametrize("num_classes", [2, 40])
def test_classes_of_the_model(data, num_classes):
    _, check = data
    message = rf'model.num_classes .* parts_train, 3 \(10 "bolt", .*\), got {num_classes}'
    with pytest.raises(ValueError, match=message):
        check(num_classes=num_classes)


def test_image_of_another_size(data):
    contents, check = data
    contents["val"]["images"][0]["height"] = 64
    with pytest.raises(ValueError, match=r"set parts_val: 1 of 1 .*a.png is 64 x 48, expected"):
        check()


def test_list_of_test_images_without_annotations(data):
    contents, check = data
    del contents["val"]["annotations"]
    check(training=False)
    assert DatasetCatalog.get("parts_val")[0]["annotations"] == []
