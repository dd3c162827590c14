"""Comparison of docs/checkpoints.md with the configs it lists."""

import json
import re
from pathlib import Path

from .reference import CONFIGS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"\[(\w+)\]\(../configs/released/\1\.py\) \| ([\d.]+) \| \[file\]\(https://", PAGE
)


def test_each_config_has_its_rows_with_the_ap_it_states():
    published = {path.stem: re.findall(r"AP ([\d.]+\d)", path.read_text()) for path in CONFIGS}
    assert {name for name, _ in ROWS} == set(published)
    for name, (ap, *_) in published.items():
        assert ap in [value for row, value in ROWS if row == name], name


def test_ap_is_that_of_the_table_of_models():
    figures = json.loads((ROOT / "dev" / "published_ap.json").read_text())["published"]
    compared = [(name, ap) for name, ap in ROWS if name in figures]
    assert len(compared) == 14
    assert all(figures[name][0] == float(ap) for name, ap in compared)
