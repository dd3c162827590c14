"""studies/offsets.py: a detector with its offsets as learned, the same everywhere, and zero."""

import json
import shutil

import pytest
import torch
from detectron2.config import LazyConfig

from sepc.d2.engine import load_config
from sepc.layers.level_conv import DeformLevelConv
from studies import offsets

from .helpers import ROOT

SAVED = ROOT / "tests" / "saved"


@pytest.fixture
def run(tiny_data, tmp_path):
    cfg = load_config(str(SAVED / "narrow.yaml"))
    cfg.dataloader.train.dataset.names, cfg.dataloader.test.dataset.names = "tiny_train", "tiny_val"
    cfg.dataloader.evaluator.output_dir = str(tmp_path / "run" / "inference")
    (tmp_path / "run").mkdir()
    LazyConfig.save(cfg, str(tmp_path / "run" / "config.yaml"))
    shutil.copy(SAVED / "narrow.pth", tmp_path / "run" / "model_final.pth")
    return tmp_path / "run"


def test_a_run_is_evaluated_three_times_and_added_to_the_table(run, tmp_path):
    earlier = {kind: {"AP": 30.0, "AP50": 50.0} for kind in ("as learned", "zero")}
    earlier |= {"the same everywhere": {"AP": 20.04, "AP50": 40.0}, "share of the same": 0.256}
    (tmp_path / "offsets.json").write_text(json.dumps({"an earlier one": earlier}))
    (tmp_path / "README.md").write_text("# Title\n<!-- offsets -->\n<!-- /offsets -->\n")
    assert offsets.main(["--runs", str(run), "--images", "2", "--results", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "offsets.json").read_text())
    assert [*found] == ["an earlier one", "run"]
    assert found["an earlier one"] == earlier
    assert set(found["run"]) == set(earlier)
    assert 0 < found["run"]["share of the same"] < 1
    row = "| an earlier one | 30.0 / 50.0 | 20.0 / 40.0 | 30.0 / 50.0 | 26 % |"
    assert row in (tmp_path / "README.md").read_text()
    assert not (run / "inference").exists(), "the detections of the run must stay"


def test_offsets_become_the_mean_of_what_was_predicted():
    conv = DeformLevelConv(2, 3, 3, padding=1, first_level=0)
    torch.nn.init.normal_(conv.offset.weight)
    torch.nn.init.normal_(conv.offset.bias)
    levels = [torch.randn(2, 2, size, size) for size in (8, 4, 2)]
    predicted = [conv.offset(x).mean((0, 2, 3)) for x in levels[1:]]  # the finest does not deform
    (mean,), share = offsets.mean_offsets(conv, [conv], [levels])
    torch.testing.assert_close(mean, sum(predicted) / 2)
    assert 0 < share < 1
    offsets.set_offsets(conv, mean)
    assert torch.equal(conv.offset(levels[1]), mean[:, None, None].expand(2, -1, 4, 4))
    _, share = offsets.mean_offsets(conv, [conv], [levels])
    assert share == pytest.approx(1)


def test_a_detector_that_does_not_deform_is_refused(run, tmp_path, capsys):
    cfg = load_config(str(run / "config.yaml"), ["model.head.trunk.variant=pconv_ibn"])
    LazyConfig.save(cfg, str(run / "config.yaml"))
    state = torch.load(run / "model_final.pth", weights_only=True)
    model = {k: v for k, v in state["model"].items() if ".offset." not in k}
    torch.save({"model": model}, run / "model_final.pth")
    assert offsets.main(["--runs", str(run), "--results", str(tmp_path)]) == 2
    assert "expected a detector with kernels that deform" in capsys.readouterr().err
    assert not (tmp_path / "offsets.json").exists()
