"""Overrides and config files."""

import random
from pathlib import Path

import pytest

pytest.importorskip("detectron2")

from sepc.d2.engine import load_config
from sepc.d2.predictor import Predictor

from .mutations import STRANGE, damaged_bytes
from .outcome import check

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs/quickstart/retinanet_sepc.py")
KEYS = ("train.max_iter", "optimizer.lr", "train.output_dir", "model.num_classes", "train.amp")
KEYS += ("+model.head.trunk.modulated", "dataloader.test", "+new", "model.head._target_", "", "x")
VALUES = ("a=b", "a,b", "(x)", "[1,2", "]", "{a:1", "}", "'a", '"', "训练", "a b", "50%", "#", "$")
VALUES += ("${x}", "${oc.env:X}", "???", "null", "1e4", "0x1", ".inf", "!!python/name:os.system")
VALUES += ("\\", "a:b", "@", "&a", "*a", "|", ">", "`", "\t", "~", "=", "==", "''", "[]", "{}")


SMALL = """
train = dict(max_iter=10, output_dir="x", amp=dict(enabled=False), init_checkpoint="", device="cpu")
train.update(log_period=20, eval_period=0, checkpointer=dict(period=5, max_to_keep=1))
optimizer, lr_multiplier = dict(lr=0.1, params=dict()), dict()
model = dict(num_classes=3, head=dict(_target_="a", trunk=dict(variant="sepc")))
dataloader = dict(test=dict(), train=dict())
"""


def test_overrides(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(SMALL)
    assert load_config(str(path), ["train.max_iter=5"]).train.max_iter == 5

    def make(rng: random.Random) -> str:
        value = rng.choice((*VALUES, *map(str, STRANGE)))
        return rng.choice((f"{rng.choice(KEYS)}={value}", f"{rng.choice(KEYS)}{value}", value))

    check(lambda override: load_config(str(path), [override]), make)


@pytest.mark.parametrize("kind", ["lazy", "yaml"])
def test_config_files(kind, tmp_path):
    """YAML as a training writes it; a file of Python is a program, whose text is damaged here."""
    source = ROOT / "tests/saved/fsaf_plain.yaml" if kind == "yaml" else Path(CONFIG)
    good = source.read_bytes()
    path = tmp_path / source.name

    def make(rng: random.Random) -> bytes:
        if kind == "yaml":
            return damaged_bytes(good, rng)
        return good[: rng.randrange(len(good))] + rng.choice((b"(", b"\xff", b"\xef\xbb\xbf", b'"'))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        load_config(str(path))

    check(read, make)


def test_yaml_of_the_older_kind_in_the_demo(tmp_path):
    good = b"MODEL:\n  META_ARCHITECTURE: RetinaNet\n  SEPC:\n    VARIANT: sepc\nVERSION: 2\n"
    path = tmp_path / "c.yaml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        Predictor.from_config(str(path), weights=str(tmp_path / "none.pth"), device="cpu")

    check(read, lambda rng: damaged_bytes(good, rng), tries=15)
