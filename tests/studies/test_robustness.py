import json
import subprocess
from pathlib import Path

import pytest

from sepc.robustness.record import CLEAN, RobustnessRecord
from studies import robustness


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Detectors of two norms, and evaluations that tell a norm by its AP; their commands."""
    args = robustness.parse_args(["--norms", "iBN", "GN", "--trained", str(tmp_path)])
    for norm in args.norms:
        for seed in (1, 2):
            folder = tmp_path / robustness.run_of(args, norm, seed).name
            folder.mkdir()
            (folder / "model_final.pth").touch()
    commands = []

    def run(command, **options):
        commands.append(command)
        output = Path(command[command.index("--output") + 1])
        record = RobustnessRecord(output / "robustness.json", {})
        record.add(CLEAN, 0, {"AP": 40.0})
        record.add("fog", 3, {"AP": 30.0 if "--alpha" in command else 20.0})
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_every_norm_with_and_without_alpha(trained, tmp_path, capsys):
    command = ["--norms", "iBN", "GN", "--seeds", "1", "2", "--severities", "3"]
    command += ["--trained", str(tmp_path), "--docs", str(tmp_path / "docs")]
    assert robustness.main(command) == 0
    assert len(trained) == 6  # GN has nothing to mix
    assert all("--severities 3" in " ".join(each) for each in trained)
    page = (tmp_path / "docs" / "robustness.md").read_text()
    assert "| iBN | 40.0 ± 0.0 | 20.0 ± 0.0 | 50.0 ± 0.0 | 2 |" in page
    assert "| iBN, alpha-BN 0.5 | 40.0 ± 0.0 | 30.0 ± 0.0 | 75.0 ± 0.0 | 2 |" in page
    content = json.loads((tmp_path / "docs" / "norms" / "robustness.json").read_text())
    assert content["GN"] == [{"fog": {"3": 20.0}}] * 2


def test_a_detector_that_is_missing_is_told(trained, tmp_path, capsys):
    command = ["--norms", "iBN", "--seeds", "3", "--trained", str(tmp_path)]
    assert robustness.main(command) == 2
    assert "model_final.pth does not exist: python -m studies.norms" in capsys.readouterr().err
    assert robustness.main([*command, "--report"]) == 0
    assert "nothing is finished yet" in capsys.readouterr().out
