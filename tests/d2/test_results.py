"""Best weights over a resume, and results.json, without a training."""

import json
import math

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from sepc.d2.engine import BestWeights, write_results


@pytest.fixture
def cfg(tmp_path):
    return OmegaConf.create(
        {"train": {"output_dir": str(tmp_path), "report": False}, "dataloader": {}}
    )


def note(folder, *values):
    rows = [{"iteration": 10 * i + 9, "bbox/AP": x, "lr": 0.1} for i, x in enumerate(values)]
    (folder / "metrics.json").write_text("".join(json.dumps(row) + "\n" for row in rows))


def weight(folder):
    return torch.load(folder / "model_best.pth", weights_only=True)["model"]["weight"].item()


def evaluated(best, value, average_precision):
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, value)
    best.update(model, {"bbox": {"AP": average_precision, "AP50": 99.0}})


def test_best_weights_are_kept(cfg, tmp_path):
    best = BestWeights(cfg)
    evaluated(best, 0.0, math.nan)
    assert not (tmp_path / "model_best.pth").exists()
    for value, ap, kept in [(1.0, 0.0, 1.0), (2.0, 30.0, 2.0), (3.0, 29.0, 2.0), (4.0, 30.5, 4.0)]:
        evaluated(best, value, ap)
        assert weight(tmp_path) == kept
    best.update(nn.Linear(1, 1), {})  # of another process
    assert weight(tmp_path) == 4.0


def test_a_resume_knows_what_was_best(cfg, tmp_path):
    evaluated(BestWeights(cfg), 1.0, 30.0)
    note(tmp_path, 20.0, 30.0, math.nan)
    resumed = BestWeights(cfg)
    evaluated(resumed, 2.0, 25.0)
    assert weight(tmp_path) == 1.0
    evaluated(resumed, 3.0, 31.0)
    assert weight(tmp_path) == 3.0


def test_results_are_the_last_and_the_best(cfg, tmp_path):
    note(tmp_path, 20.0, 30.0, math.nan)
    write_results(cfg)
    found = json.loads((tmp_path / "results.json").read_text())
    assert found == {
        "data": {},
        "last": {"iteration": 29, "bbox/AP": None},
        "best": {"iteration": 19, "bbox/AP": 30.0},
    }
    (tmp_path / "metrics.json").unlink()
    write_results(cfg)  # of a training without evaluation
    assert json.loads((tmp_path / "results.json").read_text()) == {"data": {}}
