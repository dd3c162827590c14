"""studies/norms.py from end to end, with a few iterations."""

import json

import pytest
from detectron2.config import instantiate

from sepc import PyramidNorm
from sepc.d2.engine import load_config
from studies import norms as tool

from .helpers import ROOT


def test_runs_see_the_same_images_at_rates_of_their_batch():
    runs = tool.runs(tool.parse_args([]))
    assert len({run.name for run in runs}) == len(runs) == 3 * (6 * 4 + 3)
    rates = {}
    once = {run.overrides: run for run in runs}  # seeds differ in nothing that a config says
    for run in once.values():
        cfg = load_config(str(ROOT / run.config), list(run.overrides))
        batch = cfg.dataloader.train.total_batch_size
        assert cfg.train.max_iter * batch == 9600
        assert batch % run.processes == 0
        rates[batch] = cfg.optimizer.lr
    assert rates == pytest.approx({16: 1e-3, 4: 5e-4, 2: 3.536e-4, 1: 2.5e-4}, rel=1e-3)


def test_runs_on_blood_cells_take_their_norm():
    runs = tool.runs(tool.parse_args(["--data", "bccd", "--seeds", "1"]))
    trunks = [load_config(str(ROOT / run.config), run.overrides).model.head.trunk for run in runs]
    assert {trunk.variant for trunk in trunks} == {"pconv_ibn"}
    found = ["null" if trunk.norm is None else trunk.norm for trunk in trunks]
    assert found == [name for name, _ in tool.NORMS.values()]


def test_only_the_pyramids_norm_sees_the_batch():
    cfg = load_config(str(ROOT / tool.CONFIG))
    model = instantiate(cfg.model)
    own = {id(m) for p in model.modules() if isinstance(p, PyramidNorm) for m in p.modules()}
    others = [m for m in model.modules() if "BatchNorm" in type(m).__name__ and id(m) not in own]
    assert len(own) == 2 * 6 and not others


def test_smoke(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "projects" / "SEPC"))
    flags = ["--smoke", "--output", str(tmp_path / "out"), "--workers", "2"]
    chosen = ["--norms", "iBN", "iBN, two processes", "--batches", "4"]
    assert tool.main([*flags, *chosen]) == 0
    docs = tmp_path / "out_smoke" / "docs"
    page = (docs / "norms.md").read_text()
    (line,) = (x for x in page.splitlines() if x.startswith("| iBN, two processes |"))
    assert line.count("not trained") == 2 and line.endswith("| not possible |")
    assert len(json.loads((docs / "norms" / "runs.json").read_text())["runs"]) == 2
    assert (docs / "norms" / "study.png").stat().st_size > 1000
    assert tool.main([*flags, "--report"]) == 0
