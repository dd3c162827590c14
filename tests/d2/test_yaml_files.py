"""YAML configs whose tags would run code, and those that saved configs need."""

import pytest
import torch
from detectron2.layers import ShapeSpec

from sepc.d2.engine import load_config
from sepc.d2.engine.yaml_files import read_yaml
from sepc.d2.norm import EvalBatchNorm2d
from sepc.d2.predictor import Predictor

HOSTILE = [
    "!!python/object/apply:os.system ['touch executed']",
    "!!python/object/new:os.system ['touch executed']",
    "!!python/object:os.system {}",
    "!!python/object/apply:detectron2.layers.ShapeSpec []",
    "!!python/name:os.system",
    "!!python/name:torch.os.system",
    "!!python/name:evil.run",
    "!!python/name:sepc.no.such",
    "!!python/module:evil",
    "!!python/tuple {a: 1}",
    "!unknown 3",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_other_tags_are_refused_and_nothing_runs(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil.py").write_text("open('executed', 'w')\n")
    for name, content in {
        "config.yaml": f"train: {{x: {value}}}\n",
        "older.yaml": f"MODEL: {{WEIGHTS: {value}}}\n",
        "based.yaml": "_BASE_: older.yaml\n",
    }.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=r"^config.yaml can't be read as YAML: "):
        load_config("config.yaml")
    for name in ("config.yaml", "older.yaml", "based.yaml"):
        with pytest.raises(ValueError, match=name):
            Predictor.from_config(name, weights="x.pth")
    assert not (tmp_path / "executed").exists()


def test_what_saved_configs_hold(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "spec: !!python/object:detectron2.layers.shape_spec.ShapeSpec "
        "{channels: 3, height: null, stride: 4, width: null}\n"
        "norm: &id !!python/name:sepc.d2.norm.EvalBatchNorm2d ''\nsame: *id\n"
        "layer: !!python/name:torch.nn.modules.conv.Conv2d ''\n"
        "pair: !!python/tuple [1, [2]]\n"
        "rates: [1e-4, 2.5E3, +1e2, '1e-4', 1e, 0x1e1, 12]\n"
    )
    assert read_yaml(path) == {
        "spec": ShapeSpec(channels=3, stride=4),
        "norm": EvalBatchNorm2d,
        "same": EvalBatchNorm2d,
        "layer": torch.nn.Conv2d,
        "pair": (1, [2]),
        "rates": [1e-4, 2500.0, 100.0, "1e-4", "1e", 0x1E1, 12],
    }


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"[" * 3000, b"- 1", b"", b"text"])
def test_no_config(tmp_path, content):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.yaml"):
        load_config(str(tmp_path / "x.yaml"))
