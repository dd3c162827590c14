"""studies/neighbors.py: its report, of the record of this repository."""

import shutil
from pathlib import Path

from studies import neighbors

EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence"


def test_the_report_has_every_method_beside_the_heads(tmp_path):
    shutil.copy(EVIDENCE / "neighbors.json", tmp_path)
    assert neighbors.main(["--report", "--results", str(tmp_path)]) == 0
    table = (tmp_path / "README.md").read_text()
    for method in ("plain_gn", "sepc_lite", *neighbors.NEIGHBORS):
        assert f"| {method} | " in table


def test_a_report_of_nothing_says_so(tmp_path):
    assert neighbors.main(["--report", "--results", str(tmp_path)]) == 0
    assert "Nothing is finished yet." in (tmp_path / "README.md").read_text()
