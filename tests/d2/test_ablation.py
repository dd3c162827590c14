"""studies/ablation.py from end to end, with a few iterations."""

import json

import pytest
import torch
from detectron2.config import instantiate

from quickstart.coco_images import CocoImages
from quickstart.data.coco_folder import write_dataset
from sepc.d2.datasets import register_coco_folder
from sepc.d2.engine import Checkpointer, load_config
from studies import ablation as tool
from studies.pretrain import pretrain_backbone
from studies.timing import ratio, time_steps

from .helpers import ROOT


@pytest.mark.parametrize("study", ["detectors", "changes"])
def test_every_run_has_a_config_that_takes_its_overrides(study):
    runs = tool.runs(tool.parse_args(["--study", study, "--seeds", "1"]))
    assert len({run.name for run in runs}) == len(runs) > 5
    models = []
    for run in runs:
        cfg = load_config(
            str(ROOT / run.config), [x.replace("{output}", "out") for x in run.overrides]
        )
        models.append(str((cfg.model, cfg.optimizer, cfg.train.init_checkpoint)))
        assert cfg.train.max_iter == 1500
    assert len(set(models)) == len(runs), "two runs are the same"


def test_smoke(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "projects" / "SEPC"))
    flags = ["--smoke", "--output", str(tmp_path / "out"), "--workers", "2"]
    assert tool.main([*flags, "--detectors", "retinanet", "--heads", "plain_gn", "pconv"]) == 0
    results = tmp_path / "out_smoke" / "results"
    table = (results / "README.md").read_text()
    assert "| plain_gn | " in table and "| pconv | " in table
    assert (results / "detectors.png").stat().st_size > 1000
    assert len(json.loads((results / "runs.json").read_text())["runs"]) == 2

    capsys.readouterr()
    assert tool.main([*flags, "--study", "none", "--iterations", "9"]) == 0
    assert "README.md" in capsys.readouterr().out


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


def test_pretrained_backbone_is_the_detectors_own(tmp_path):
    write_dataset(tmp_path / "crops", train_images=6, val_images=1, progress=False)
    annotations = tmp_path / "crops" / "annotations" / "instances_train2017.json"
    images = CocoImages(annotations, tmp_path / "crops" / "train2017")
    cfg = load_config(str(ROOT / "configs/quickstart/retinanet_sepc.py"))
    path = tmp_path / "pretrained.pth"
    share = pretrain_backbone(cfg, images, path, iterations=12, batch=6)
    assert share > 0.5, "six images are not learned by heart"

    model = instantiate(cfg.model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Checkpointer(model).load(str(path))
    loaded = model.state_dict()
    for name, value in before.items():
        in_backbone = name.startswith("backbone.bottom_up.")
        assert torch.equal(loaded[name], value) != in_backbone, name
