import contextlib
import hashlib
import importlib.util
import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from quickstart.data import SHAPES, coco_folder, generate_scene, write_dataset
from quickstart.data.categories import SHAPE_TO_COCO
from sepc.data import validate_coco
from sepc.data.progress import progress

SETTINGS = {"train_images": 60, "val_images": 8, "seed": 5, "progress": False}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def load(folder: Path, split: str = "train") -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / "annotations" / f"instances_{split}2017.json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("data") / "shapes"
    assert write_dataset(made, **SETTINGS)
    return made


def test_layout(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "annotations",
        "generated.json",
        "train2017",
        "val2017",
    ]
    names = sorted(path.name for path in (folder / "train2017").iterdir())
    assert names == [f"{number:012d}.jpg" for number in range(1, 61)]
    assert [path.name for path in folder.parent.iterdir()] == ["shapes"]
    content = json.loads((folder / "annotations/instances_train2017.json").read_text())
    assert set(content) == {"info", "licenses", "images", "annotations", "categories"}
    keys = {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"}
    assert all(set(annotation) == keys for annotation in content["annotations"])


def test_boxes_and_areas_are_those_of_the_masks(folder):
    coco = load(folder)
    assert any(annotation["iscrowd"] for annotation in coco.anns.values())
    assert any(not coco.imgToAnns[image] for image in coco.imgs)
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
        assert x >= 0 and y >= 0 and x + width <= 128 and y + height <= 128
        assert annotation["area"] == mask.sum()
        assert isinstance(annotation["segmentation"], dict) == bool(annotation["iscrowd"])


def test_images_are_the_scenes(folder):
    image = cv2.imread(str(folder / "train2017/000000000003.jpg"))[..., ::-1]
    scene = generate_scene(seed=5, split="train", index=2, height=128, width=128)
    assert np.abs(image.astype(int) - scene.image).mean() < 4
    annotated = [ann["category_id"] for ann in load(folder).imgToAnns[3]]
    assert annotated == [thing.label + 1 for thing in scene.objects]


def test_same_again_and_independent_of_the_number_of_images(folder, tmp_path):
    write_dataset(tmp_path / "again", **SETTINGS)
    assert digests(tmp_path / "again") == digests(folder)
    write_dataset(tmp_path / "fewer", **{**SETTINGS, "train_images": 7})
    fewer, full = digests(tmp_path / "fewer/train2017"), digests(folder / "train2017")
    assert len(fewer) == 7 and fewer.items() <= full.items()
    assert not set(full.values()) & set(digests(folder / "val2017").values())


def test_many_processes_make_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(coco_folder, "IN_ONE_PROCESS", 1)
    write_dataset(tmp_path / "again", **SETTINGS)
    assert digests(tmp_path / "again") == digests(folder)


def test_passes_the_validation(folder):
    for split in ("train", "val"):
        json_path = folder / "annotations" / f"instances_{split}2017.json"
        validate_coco(json_path, folder / f"{split}2017", evaluation=True)


def test_categories(folder, tmp_path):
    assert [c["name"] for c in load(folder).loadCats(range(1, 13))] == list(SHAPES)
    write_dataset(tmp_path / "coco", categories="coco", **SETTINGS)
    coco, shapes = load(tmp_path / "coco"), load(folder)
    assert len(coco.cats) == 80 and max(coco.cats) == 90
    assert coco.cats[1]["name"] == "person" and coco.cats[90]["name"] == "toothbrush"
    places = {
        shapes.cats[shapes.anns[number]["category_id"]]["name"]: coco.cats[ann["category_id"]]
        for number, ann in coco.anns.items()
    }
    assert {shape: category["name"] for shape, category in places.items()} == SHAPE_TO_COCO
    assert set(SHAPE_TO_COCO) == set(SHAPES)
    assert len({category["id"] for category in places.values()}) == len(SHAPES)


def test_rectangular_images(tmp_path):
    settings = {**SETTINGS, "train_images": 2, "val_images": 1}
    write_dataset(tmp_path / "wide", image_size=(64, 96), **settings)
    assert cv2.imread(str(tmp_path / "wide/train2017/000000000001.jpg")).shape == (64, 96, 3)
    image = load(tmp_path / "wide").imgs[1]
    assert (image["height"], image["width"]) == (64, 96)


def test_a_finished_folder_is_kept(folder, monkeypatch):
    monkeypatch.setattr(coco_folder, "_add_scene", lambda *_: pytest.fail("generated again"))
    assert not write_dataset(folder, **SETTINGS)
    assert not write_dataset(folder, overwrite=True, **SETTINGS)


def test_other_settings_need_overwrite(tmp_path):
    settings = {"train_images": 2, "val_images": 1, "progress": False}
    write_dataset(tmp_path / "d", **settings)
    before = digests(tmp_path / "d")
    with pytest.raises(ValueError, match=r"other settings: seed 0 \(asked for: 1\)"):
        write_dataset(tmp_path / "d", seed=1, **settings)
    assert digests(tmp_path / "d") == before
    assert write_dataset(tmp_path / "d", seed=1, overwrite=True, **settings)
    assert digests(tmp_path / "d") != before
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_other_peoples_data_stay_even_with_overwrite(tmp_path):
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco/precious.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="coco exists and is no generated data set"):
        write_dataset(tmp_path / "coco", overwrite=True, **SETTINGS)
    assert (tmp_path / "coco/precious.txt").read_text() == "mine"


def test_nothing_stays_of_an_interrupted_generation(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(coco_folder, "_add_scene", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "d", **SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_with_the_folder(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(coco_folder, "_add_scene", full)
    with pytest.raises(OSError, match=r"can't write .* to .*/d: No space left on device"):
        write_dataset(tmp_path / "d", **SETTINGS)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="can't write the generated data set to"):
        write_dataset(tmp_path / "file" / "d", **SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": 0}, "at least one image per split, got train 0"),
        ({"categories": "pets"}, "expected categories .* got 'pets'"),
        ({"image_size": 8}, "got 8 x 8"),
        ({"seed": -1}, "got seed -1"),
    ],
)
def test_bad_settings(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path / "d", **{**SETTINGS, **change})
    assert list(tmp_path.iterdir()) == []


def test_command_line(tmp_path, capsys):
    path = Path(__file__).parents[2] / "tools" / "generate_data.py"
    spec = importlib.util.spec_from_file_location("generate_data", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    arguments = [str(tmp_path / "d"), "--train", "2", "--val", "1", "--size", "40", "48"]
    assert tool.main(arguments) == 0 and "written" in capsys.readouterr().out
    assert tool.main(arguments) == 0 and "there already" in capsys.readouterr().out
    assert tool.main([*arguments, "--seed", "2"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert load(tmp_path / "d").imgs[1]["height"] == 40


def test_progress_without_tqdm(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(progress(range(25), total=25, description="train images")) == list(range(25))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train images: 2 of 25" and lines[-1] == "train images: 25 of 25"
