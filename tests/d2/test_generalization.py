"""studies/generalization.py and studies/bccd.py: their runs, and one of them from end to end."""

import json

import pytest

from sepc.d2.engine import load_config
from studies import bccd, generalization

from .helpers import ROOT


@pytest.mark.parametrize(
    ("study", "count"), [(generalization, 2 * 4 * 2), (bccd, 5 * 2)], ids=["generalization", "bccd"]
)
def test_every_run_has_a_config_that_takes_its_overrides(study, count):
    runs = study.runs(study.parse_args([]))
    assert len({run.name for run in runs}) == len(runs) == count
    models = {}
    for run in runs:
        cfg = load_config(str(ROOT / run.config), run.overrides)
        models.setdefault(run.seed, set()).add(str(cfg.model))
        assert cfg.model.backbone.out_channels == 32
    assert [len(found) for found in models.values()] == [count // 2] * 2, "two runs are the same"
    assert models[1] == models[2]


@pytest.mark.slow  # like that of the ablation
def test_generalization_in_small(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "projects" / "SEPC"))
    flags = ["--smoke", "--output", str(tmp_path / "out"), "--workers", "1"]
    chosen = ["--pyramids", "image_pyramid", "--heads", "sepc"]
    assert generalization.main([*flags, *chosen]) == 0
    results = tmp_path / "out_smoke" / "results"
    (run,) = json.loads((results / "generalization.json").read_text())["runs"].values()
    assert set(run["breakdown"]["sizes"]) == set(generalization.GROUPS)
    assert "96 to 192 px" in (results / "README.md").read_text()
    assert generalization.main([*flags, *chosen, "--report"]) == 0


def test_bccd_without_its_images(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert bccd.main(["--output", str(tmp_path), "--results", str(tmp_path)]) == 2
    assert "expected BCCD in COCO's layout in" in capsys.readouterr().err
