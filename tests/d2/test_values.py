"""Values of a config of a wrong type or out of range: each key is named before anything starts."""

import copy

import pytest
from detectron2.config import LazyConfig
from omegaconf import OmegaConf

from sepc.d2.engine import load_config
from sepc.d2.engine.values import KINDS, check_values

from .helpers import CONFIGS, loaded

CONFIG = CONFIGS / "quickstart" / "retinanet_sepc.py"


def checked(key, value):
    cfg = copy.deepcopy(loaded(CONFIG))
    OmegaConf.update(cfg, key, value, force_add=True)
    check_values(cfg)
    return OmegaConf.select(cfg, key)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.max_iter", "", "a whole number of 1 or more, got ''"),
        ("train.max_iter", "10k", "got '10k'"),
        ("train.max_iter", 0, "got 0"),
        ("train.max_iter", 1.5, "got 1.5"),
        ("train.max_iter", True, "got True"),
        ("train.max_iter", None, "got None"),
        ("train.log_period", 0, "of 1 or more, got 0"),
        ("train.checkpointer.period", 0, "got 0"),
        ("train.checkpointer.max_to_keep", 0, "got 0"),
        ("train.checkpointer", 3, "settings by name, got 3"),
        ("train.eval_period", -1, "of 0 or more, got -1"),
        ("train.seed", "abc", "got 'abc'"),
        ("train.seed", 2**40, "a whole number from -2147483648 to 2147483648, got"),
        ("train.device", "gpu", "a device, such as cuda or cpu, got 'gpu'"),
        ("train.output_dir", "", "a folder, got ''"),
        ("train.amp.enabled", "yes", "true or false, got 'yes'"),
        ("train.amp.dtype", "half", "float16 or bfloat16, got 'half'"),
        ("train.grad_clip", 10, "null, or max_norm and, if wanted, norm_type, got 10"),
        ("train.grad_clip", {"norm": 3}, "null, or max_norm"),
        ("train.grad_clip.max_norm", 0, "a number above 0, got 0"),
        ("train.grad_clip.max_norm", -1, "got -1"),
        ("optimizer.lr", "abc", "a number above 0, got 'abc'"),
        ("optimizer.lr", float("nan"), "got nan"),
        ("optimizer.lr", float("inf"), "got inf"),
        ("optimizer.weight_decay", -0.1, "of 0 or more, got -0.1"),
        ("optimizer.betas", [0.9, 1.0], "got 1.0"),
        ("lr_multiplier.warmup_length", 2, "from 0 to 1, got 2"),
        ("lr_multiplier.scheduler.lengths", [-1.0, 2.0], "from 0 to 1, got -1"),
        ("dataloader.train.total_batch_size", "two", "got 'two'"),
        ("dataloader.train.num_workers", -1, "got -1"),
        ("dataloader.test.dataset.names", 3, "a name of a data set, or a list of names, got 3"),
        ("model.num_classes", "two", "got 'two'"),
        ("model", None, "settings by name, got None"),
        ("train", "x", "settings by name, got 'x'"),
    ],
)
def test_refused(key, value, message):
    with pytest.raises(ValueError) as error:
        checked(key, value)
    assert key in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("train.max_iter", 1e4, 10000),
        ("train.max_iter", "1e4", 10000),
        ("optimizer.lr", "1e-4", 1e-4),
        ("train.checkpointer.max_to_keep", None, None),
        ("train.grad_clip.norm_type", float("inf"), float("inf")),
        ("dataloader.test.dataset.names", [], []),
    ],
)
def test_taken_as_meant(key, value, meant):
    found = checked(key, value)
    assert found == meant
    assert type(found) is type(meant) or OmegaConf.is_list(found)


def test_all_problems_are_told_at_once_and_before_anything_else():
    with pytest.raises(ValueError, match=r"train.max_iter: .*; optimizer.lr: "):
        load_config(str(CONFIG), ["train.max_iter=x", "optimizer.lr=0"])


def test_missing_value_is_named():
    cfg = copy.deepcopy(loaded(CONFIG))
    del cfg.train.max_iter
    with pytest.raises(ValueError, match=r"^train.max_iter: expected a value, got none$"):
        check_values(cfg)


def test_interpolation_stays_one_and_a_broken_one_is_named():
    assert checked("train.seed", 3) == 3
    cfg = copy.deepcopy(loaded(CONFIG))
    check_values(cfg)
    assert OmegaConf.is_interpolation(cfg.optimizer.params, "base_lr")
    with pytest.raises(ValueError, match=r"train.max_iter: Interpolation key 'no.such'"):
        checked("train.max_iter", "${no.such}")


def test_keys_of_the_table_are_those_of_the_training_options():
    cfg = loaded(CONFIG)
    none = object()
    keys = [key for key in KINDS if key.startswith("train.") and ".grad_clip" not in key]
    assert [key for key in keys if OmegaConf.select(cfg, key, default=none) is none] == []


def test_saved_config_is_checked(tmp_path):
    cfg = copy.deepcopy(loaded(CONFIG))
    cfg.train.log_period = 0
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    with pytest.raises(ValueError, match=r"train.log_period: expected a whole number"):
        load_config(str(tmp_path / "config.yaml"))
