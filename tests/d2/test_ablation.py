"""studies/ablation.py from end to end, with a few iterations."""

import json
from pathlib import Path

import pytest

from quickstart.data.coco_folder import write_dataset
from sepc.d2.datasets import register_coco_folder
from sepc.d2.engine import load_config
from studies import ablation as tool
from studies import neighbors
from studies.breakdown import Breakdown
from studies.timing import ratio, time_steps

from .helpers import ROOT


@pytest.mark.parametrize(
    ("study", "flag", "iterations"),
    [(tool, "--heads", 2400), (neighbors, "--methods", 600)],
)
def test_every_run_has_a_config_that_takes_its_overrides(study, flag, iterations):
    default = study.runs(study.parse_args(["--seeds", "1"]))
    to_ask_for = study.runs(study.parse_args(["--seeds", "1", flag, *tool.DIAGNOSES]))
    assert not set(default) & set(to_ask_for)
    runs = [*default, *to_ask_for]
    assert len({run.name for run in runs}) == len(runs) > 3
    models = []
    for run in runs:
        cfg = load_config(str(ROOT / run.config), run.overrides)
        models.append(str(cfg.model))
        assert cfg.train.max_iter == iterations and cfg.model.backbone.out_channels == 32
    assert len(set(models)) == len(runs), "two runs are the same"


@pytest.mark.parametrize(
    ("flags", "readme"),
    [
        ([], ROOT / "README.md"),
        (["--results", str(ROOT / "docs" / ".." / "docs" / "evidence")], ROOT / "README.md"),
        (["--results", "other"], Path("other/README.md")),
        (["--smoke"], Path("output/ablation_smoke/results/README.md")),
        (["--results", "other", "--readme", "page.md"], Path("page.md")),
    ],
)
def test_the_ap_of_another_setting_is_not_for_the_readme_of_the_repository(flags, readme):
    assert tool.parse_args(flags).readme == readme


def test_smoke(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "projects" / "SEPC"))
    flags = ["--smoke", "--output", str(tmp_path / "out"), "--workers", "2"]
    assert tool.main([*flags, "--detectors", "retinanet", "--heads", "plain_gn", "pconv_ibn"]) == 0
    results = tmp_path / "out_smoke" / "results"
    table = (results / "README.md").read_text()
    assert "| plain_gn | " in table and "| pconv_ibn | " in table
    assert (results / "detectors.png").stat().st_size > 1000
    runs = json.loads((results / "runs.json").read_text())["runs"]
    assert len(runs) == 2
    for run in runs.values():
        objects = [x["objects"] for x in run["breakdown"]["levels"].values()]
        assert 0 < sum(objects) <= sum(x["objects"] for x in run["breakdown"]["octaves"].values())

    capsys.readouterr()
    assert tool.main([*flags, "--study", "none", "--iterations", "9"]) == 0
    assert "README.md" in capsys.readouterr().out


def test_objects_by_the_level_that_decides_them(tmp_path):
    """FCOS decides 24 pixels at P2, 40 at P3 and 80 at P4, in whatever order they come."""
    sides = {7: 40, 3: 24, 5: 80, 4: 24}  # by the annotation's id, in the middle of an image each
    entry = {"category_id": 9, "area": 1, "iscrowd": 0}
    boxes = {number: [64 - side / 2, 64 - side / 2, side, side] for number, side in sides.items()}
    content = {
        "images": [
            {"id": number, "width": 128, "height": 128, "file_name": "x.jpg"}
            for number in (1, *sides)
        ],
        "categories": [{"id": 9, "name": "a"}],
        "annotations": [
            {**entry, "id": number, "image_id": number, "bbox": box}
            for number, box in boxes.items()
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    config = str(ROOT / "configs/quickstart/fcos_plain.py")
    small = ["model.backbone.out_channels=32"]
    levels = Breakdown(path).levels(config, small)
    assert levels == {"P2": [3, 4], "P3": [7], "P4": [5]}
    with pytest.raises(ValueError, match="expected images at their own size"):
        resized = "dataloader.test.mapper.augmentations=[{}]"
        Breakdown(path).levels(config, [*small, resized])


def test_timing(tmp_path):
    write_dataset(tmp_path / "timed", train_images=4, val_images=1, progress=False)
    register_coco_folder("timed", tmp_path / "timed")
    small = [
        "dataloader.train.dataset.names=timed_train",
        "dataloader.train.total_batch_size=2",
        "model.backbone.out_channels=8",
    ]
    file = str(ROOT / "configs/quickstart/retinanet_sepc.py")
    seconds = time_steps({"a": (file, small), "b": (file, small)}, rounds=3, steps=1)
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}
    assert ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == 2.0
