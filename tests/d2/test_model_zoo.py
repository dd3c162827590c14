"""Configs of the package by name, and what is said of a config of the wrong kind."""

import logging
from pathlib import Path

import pytest
import torch
from detectron2.config import CfgNode
from omegaconf import DictConfig

from sepc.d2 import model_zoo
from sepc.d2.config_files import find_config
from sepc.d2.engine import load_config

from .helpers import CONFIGS

LAZY = "COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py"
YAML = "yaml/retinanet_R_50_FPN_sepc_1x.yaml"


def test_every_config_has_a_name():
    files = [p for p in CONFIGS.rglob("*") if p.suffix in (".py", ".yaml")]
    assert len(files) > 100
    for path in files:
        assert Path(model_zoo.get_config_file(str(path.relative_to(CONFIGS)))) == path


def test_unknown_name_is_answered_by_similar_ones():
    with pytest.raises(ValueError, match=rf"got '.*light_1x.py'; similar names: {LAZY}, "):
        model_zoo.get_config_file(LAZY.replace("lite", "light"))
    with pytest.raises(ValueError, match="similar names"):
        model_zoo.get_config_file("COCO-Detection")  # a folder


def test_configs_of_both_kinds():
    lazy, older = model_zoo.get_config(LAZY), model_zoo.get_config(YAML)
    assert isinstance(lazy, DictConfig) and lazy.model.head.trunk.variant == "sepc_lite"
    assert isinstance(older, CfgNode) and older.MODEL.SEPC.VARIANT == "sepc"
    with pytest.raises(ValueError, match="no trained weights are published"):
        model_zoo.get_config(LAZY, trained=True)


def test_models_of_both_kinds_are_alike():
    config = "quickstart/retinanet_sepc.py"
    model = model_zoo.get(config, device="cpu")
    assert model.training and next(model.parameters()).device.type == "cpu"
    with torch.device("meta"):
        lazy = model_zoo.build(model_zoo.load(LAZY, ["model.head.trunk.variant=sepc"]), "meta")
        older = model_zoo.build(model_zoo.get_config(YAML), "meta")
    shapes = [{k: v.shape for k, v in x.state_dict().items()} for x in (lazy, older)]
    assert shapes[0] == shapes[1]


def test_config_file_of_the_package_is_used_where_there_is_none(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        for name in (LAZY, f"configs/{LAZY}"):
            assert find_config(name) == str(CONFIGS / LAZY)
    assert [x.message for x in caplog.records][1] == (
        f"configs/{LAZY} is no file here: using the one of the package, {CONFIGS / LAZY}"
    )
    assert load_config(LAZY).model.head.trunk.variant == "sepc_lite"

    own = tmp_path / "configs" / LAZY
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert find_config(f"configs/{LAZY}") == f"configs/{LAZY}"
    for none in ("COCO-Detection/none.py", "../pyproject.toml", str(tmp_path / LAZY), ""):
        assert find_config(none) == none


def test_older_yaml_in_a_lazy_tool_says_which_tool_is_meant():
    with pytest.raises(ValueError, match=r"DefaultTrainer.*tools/train_net.py.*LazyConfig"):
        load_config(str(CONFIGS / YAML))
