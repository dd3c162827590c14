"""The set-up: the order in which Detectron2 is looked for, and the versions that are pinned."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev import setup_env

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


class FakeRun:
    """Answers the commands of the set-up from a few facts about a machine, and records them."""

    def __init__(self, **facts: bool) -> None:
        self.facts = {"installed": False, "wheel": False, "wheel_loads": True, "network": False}
        self.facts |= {"source_builds": True, "needs": True, "git": True} | facts
        self.commands: list[list[str]] = []
        self.origin = "installed" if self.facts["installed"] else None

    def __call__(self, command: list[str], seconds: float) -> tuple[int, str]:
        assert seconds > 0
        self.commands.append(command)
        ok = self.answer(command)
        return (
            (0, "") if ok else (1, "Traceback\nImportError: undefined symbol\n\nWARNING: old pip")
        )

    def answer(self, command: list[str]) -> bool:
        if command[0] == "git":
            return self.facts["git"] and self.facts["network"]
        if "uninstall" in command:
            self.origin = None
        elif command[-1] == "detectron2":
            self.origin = "wheel" if self.facts["wheel"] else None
            return self.facts["wheel"]
        elif command[-1] == setup_env.SOURCE:
            self.origin = "source" if self.facts["source_builds"] else None
            return self.facts["source_builds"]
        elif command[-1] in EXTRAS["detectron2"]:
            return self.facts["needs"]
        elif command[-1] in (setup_env.LOADS, setup_env.WORKS):
            broken = self.origin == "wheel" and not self.facts["wheel_loads"]
            return self.origin is not None and not broken
        return True


def look(**facts: bool) -> tuple[FakeRun, bool, list[str]]:
    run, said = FakeRun(**facts), []
    found = setup_env.Setup(Path("env"), run=run, say=said.append).find_detectron2()
    return run, found, said


def programs(run: FakeRun) -> list[str]:
    return [command[0] for command in run.commands]


def test_installed_detectron2_is_kept():
    run, found, said = look(installed=True, wheel=True, network=True)
    assert found and len(said) == 1
    assert [command[-1] for command in run.commands] == [setup_env.WORKS]


def test_local_wheel_comes_before_the_repository():
    run, found, _ = look(wheel=True, network=True)
    assert found and run.origin == "wheel"
    assert "git" not in programs(run)


@pytest.mark.parametrize("needs", [True, False])
def test_broken_wheel_is_removed_and_the_repository_tried(needs):
    run, found, said = look(wheel=True, wheel_loads=False, network=True, needs=needs)
    assert found == needs and run.origin == ("source" if needs else None)
    assert any("uninstall" in command for command in run.commands)
    assert said[0].count("\n") == 0 and "removed again" in said[0]
    assert "ImportError: undefined symbol" in said[0]


@pytest.mark.parametrize("git", [True, False])
def test_offline_ends_quietly_and_fast_with_one_line_on_how_to_get_it(git):
    run, found, said = look(git=git)
    assert not found
    assert all(setup_env.SOURCE not in command for command in run.commands)
    hints = [line for line in said if "Detectron2 is missing" in line]
    assert hints == said[-1:] and "\n" not in hints[0]
    assert setup_env.SOURCE in hints[0] and "make detectron2" in hints[0]


def test_failed_build_ends_like_offline():
    run, found, said = look(network=True, source_builds=False)
    assert not found and run.origin is None
    assert "Detectron2 is missing" in said[-1]


def test_detectron2_never_comes_from_an_index_by_its_name():
    named = re.compile(r"detectron2($|[^\w-])", re.IGNORECASE)
    seen = 0
    for wheel in (True, False):
        for loads in (True, False):
            for network in (True, False):
                run, *_ = look(wheel=wheel, wheel_loads=loads, network=network)
                installs = [command for command in run.commands if "install" in command]
                for command in installs:
                    if any(named.match(word) for word in command):
                        seen += 1
                        assert "--no-index" in command
    assert seen
    assert re.fullmatch(
        r"git\+https://github\.com/facebookresearch/detectron2@\w{40}", setup_env.SOURCE
    )
    for requirements in (PYPROJECT["project"]["dependencies"], *EXTRAS.values()):
        assert not [text for text in requirements if named.match(text)]


@pytest.mark.parametrize(("value", "looks"), [("1", False), ("0", True), ("", True), (None, True)])
def test_the_switch_leaves_detectron2_out(monkeypatch, tmp_path, value, looks):
    calls = []
    monkeypatch.setattr(setup_env.subprocess, "call", lambda command: 0)
    monkeypatch.setattr(setup_env.Setup, "install_packages", lambda self: calls.append("packages"))
    monkeypatch.setattr(setup_env.Setup, "find_detectron2", lambda self: calls.append("looks"))
    monkeypatch.setattr(sys, "argv", ["setup_env.py", "--venv", str(tmp_path)])
    if value is None:
        monkeypatch.delenv(setup_env.SWITCH, raising=False)
    else:
        monkeypatch.setenv(setup_env.SWITCH, value)
    setup_env.main()
    assert calls == ["packages", *["looks"] * looks]


def test_failing_packages_end_the_set_up_with_their_last_lines():
    setup = setup_env.Setup(Path("env"), run=lambda *_: (1, "ERROR: No matching distribution"))
    with pytest.raises(SystemExit, match=r"No matching distribution\n.*could not be installed"):
        setup.install_packages()


def test_runner_logs_everything_and_passes_on_little(tmp_path):
    said = []
    run = setup_env.run_logged(tmp_path / "log", said.append)
    code = "print('chatter'); print('Installing collected packages: a, b'); raise SystemExit(3)"
    status, output = run([sys.executable, "-c", code], 60)
    assert status == 3 and output.splitlines()[0] == "chatter"
    assert output in (tmp_path / "log").read_text()
    assert [line.strip() for line in said] == ["unpacking 2 packages"]


def test_runner_kills_what_hangs_with_all_its_children(tmp_path):
    run = setup_env.run_logged(tmp_path / "log", print)
    status, output = run(["sh", "-c", "sleep 600 & sleep 600"], 0.2)
    assert status != 0 and "no answer within 0.2 s" in output


def test_runner_reports_a_missing_program(tmp_path):
    status, output = setup_env.run_logged(tmp_path / "log", print)(["no-such-program"], 60)
    assert status == 127 and "no-such-program" in output


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  Downloading torch-2.1-cp311-linux.whl (846.1 MB)\n", "downloading torch 2.1, 846.1 MB"),
        (
            "  Using cached https://x.org/torch-2.1-c.whl (1.2 GB)",
            "using cached torch 2.1, 1.2 GB",
        ),
        ("  Downloading idna-3.1-py3.whl (12.0 MB)", None),
        ("  Downloading idna-3.1-py3.whl.metadata (12 kB)", None),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("Installing collected packages: a", None),
        ("Requirement already satisfied: torch", None),
    ],
)
def test_progress_keeps_what_one_waits_for(line, expected):
    assert setup_env.progress_of(line) == expected


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_constraints_pin_every_dependency_within_its_bounds():
    groups = {"build": PYPROJECT["build-system"]["requires"], **EXTRAS}
    for group in (PYPROJECT["project"]["dependencies"], *groups.values()):
        for requirement in map(Requirement, group):
            version = pins()[canonicalize_name(requirement.name)]
            assert version in requirement.specifier, f"{requirement} but {version} is pinned"


def test_constraints_pin_the_build_tools_one_opencv_and_no_detectron2():
    assert {"setuptools", "wheel", "ninja"} <= set(pins())
    assert [name for name in pins() if name.startswith("opencv")] == ["opencv-python-headless"]
    assert "detectron2" not in pins()


def test_extras_of_the_environment_exist():
    assert set(setup_env.EXTRAS.split(",")) <= set(EXTRAS)
    assert setup_env.detectron2_needs() == EXTRAS["detectron2"]


def test_detectron2_extra_has_the_bounds_of_detectron2_itself_or_a_higher_floor():
    pytest.importorskip("detectron2")
    ours = {canonicalize_name(r.name): r.specifier for r in map(Requirement, EXTRAS["detectron2"])}
    all_theirs = map(Requirement, importlib.metadata.requires("detectron2") or [])
    wanted = [r for r in all_theirs if r.marker is None or r.marker.evaluate({"extra": ""})]
    assert wanted
    for requirement in wanted:
        if requirement.name != "black":
            mine, theirs = ours[canonicalize_name(requirement.name)], requirement.specifier
            assert {x for x in mine if x.operator != ">="} == {
                x for x in theirs if x.operator != ">="
            }
            floors = [[x.version for x in y if x.operator == ">="] for y in (mine, theirs)]
            assert len(floors[0]) == len(floors[1])
            assert all(theirs.contains(floor) for floor in floors[0])


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    described = re.findall(r"^([\w-]+):.*##", makefile, re.MULTILINE)
    assert sorted(targets) == sorted(described)
