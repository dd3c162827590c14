"""The set-up: the order in which Detectron2 is looked for, and the versions that are pinned."""

import importlib.machinery
import importlib.metadata
import importlib.util
import itertools
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev import redistribution, setup_env
from sepc.report import facts

from .test_redistribution import make_archive

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
LACKS = setup_env.UNCOMPILED


class FakeRun:
    """Answers the commands of the set-up from a few facts about a machine, and records them."""

    def __init__(self, **facts: object) -> None:
        self.facts = {"installed": None, "wheel": False, "wheel_loads": True, "network": False}
        self.facts |= {"source_builds": True, "needs": True, "git": True, "index": False} | facts
        self.commands: list[list[str]] = []
        self.origin = self.facts["installed"]

    def __call__(self, command: list[str], seconds: float) -> tuple[int, str]:
        assert seconds > 0
        self.commands.append(command)
        if "uninstall" in command:
            output = "Successfully uninstalled it" if self.origin else "WARNING: not installed"
            self.origin = None
            return 0, output
        ok = self.answer(command)
        return (
            (0, "") if ok else (1, "Traceback\nImportError: undefined symbol\n\nWARNING: old pip")
        )

    def answer(self, command: list[str]) -> bool:
        if command[0] == "git":
            return self.facts["git"] and self.facts["network"]
        if command[-1] == "detectron2":
            self.origin = "wheel" if self.facts["wheel"] else None
            return self.facts["wheel"]
        if command[-1] == setup_env.SOURCE:
            self.origin = "source" if self.facts["source_builds"] else None
            return self.facts["source_builds"]
        if "download" in command:
            self.requirements = Path(command[-1]).read_text()
            if self.facts["index"]:
                make_archive(Path(command[command.index("--dest") + 1]))
            return self.facts["index"]
        if command[-1].endswith(".whl"):
            self.wheel = Path(command[-1]).name
            self.origin = "redistribution"
        elif command[-1] in EXTRAS["detectron2"]:
            return self.facts["needs"]
        elif command[-1] in (setup_env.LOADS, setup_env.WORKS):
            broken = self.origin == "wheel" and not self.facts["wheel_loads"]
            return self.origin in ("upstream", "wheel", "source") and not broken
        elif command[-1] == setup_env.WORKS_UNCOMPILED:
            return self.origin == "redistribution"
        return True


@pytest.fixture(autouse=True)
def fake_archive_is_the_pinned_one(monkeypatch, tmp_path):
    archive, digest = make_archive(tmp_path)
    archive.unlink()
    monkeypatch.setattr(redistribution, "SHA256", digest)


def look(**facts: object) -> tuple[FakeRun, bool, list[str]]:
    run, said = FakeRun(**facts), []
    found = setup_env.Setup(Path("env"), run=run, say=said.append).find_detectron2()
    return run, found, said


def programs(run: FakeRun) -> list[str]:
    return [command[0] for command in run.commands]


def test_installed_detectron2_is_kept():
    run, found, said = look(installed="upstream", wheel=True, network=True)
    assert found and len(said) == 1
    assert [command[-1] for command in run.commands] == [setup_env.WORKS]


def test_installed_redistribution_is_kept_and_says_how_to_look_for_upstream():
    run, found, said = look(installed="redistribution", wheel=True, network=True, index=True)
    assert found and run.origin == "redistribution" and len(said) == 1
    assert setup_env.UNCOMPILED in said[0] and "pip uninstall sal-detectron2" in said[0]
    assert not [command for command in run.commands if "pip" in command]


def test_what_is_installed_and_broken_is_removed_under_both_names():
    run, found, said = look(installed="broken", wheel=True)
    assert found and run.origin == "wheel"
    assert "does not work" in said[0]
    (removal,) = (command for command in run.commands if "uninstall" in command)
    assert removal[-2:] == ["detectron2", "sal-detectron2"]


@pytest.mark.parametrize("network", [True, False])
def test_redistribution_is_the_last_way(network):
    run, found, said = look(network=network, source_builds=False, index=True)
    assert found and run.origin == "redistribution"
    assert said[-1].endswith(f"sal-detectron2 0.7.2 of the package index: installed, {LACKS}")
    assert run.requirements == redistribution.requirement()
    assert run.wheel == "sal_detectron2-0.7.2+sepc-py3-none-any.whl"
    order = [i for i, command in enumerate(run.commands) if "git" in command[0]]
    assert order[0] < next(i for i, x in enumerate(run.commands) if "download" in x)
    assert not any(command[-1] == setup_env.LOADS for command in run.commands)


def test_redistribution_comes_after_the_source():
    run, *_ = look(network=True, index=True)
    assert run.origin == "source"
    assert not any("download" in command for command in run.commands)


def test_redistribution_without_its_dependencies_is_removed_again():
    run, found, said = look(index=True, needs=False)
    assert not found and run.origin is None
    assert "removed again, its dependencies could not be installed" in said[-2]
    assert "Detectron2 is missing" in said[-1]


def test_another_file_is_refused_with_both_hashes_before_it_is_installed(monkeypatch):
    actual = redistribution.SHA256
    monkeypatch.setattr(redistribution, "SHA256", "0" * 64)
    run, found, said = look(index=True)
    assert not found and run.origin is None
    line = said[-2]
    assert f"expected sha256 {'0' * 64}, got {actual}" in line and "\n" not in line
    assert not any(command[-1].endswith(".whl") for command in run.commands)


def test_both_hashes_are_named_where_pip_refuses_a_file():
    def run(command: list[str], seconds: float) -> tuple[int, str]:
        return 1, "ERROR: HASHES:\n        Expected sha256 12ab\n             Got        34cd\n\n"

    status, line = setup_env.Setup(Path("env"), run=run).detectron2_from_redistribution()
    assert (status, line) == (1, "refused, expected sha256 12ab, got 34cd")


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
    names = ("wheel", "wheel_loads", "network", "index")
    for values in itertools.product((True, False), repeat=4):
        run, *_ = look(**dict(zip(names, values, strict=True)))
        for command in run.commands:
            if "uninstall" not in command and any(named.match(word) for word in command):
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
    (distribution,) = set(importlib.metadata.packages_distributions()["detectron2"])
    assert distribution in setup_env.DISTRIBUTIONS
    all_theirs = map(Requirement, importlib.metadata.requires(distribution) or [])
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


class FakeDistribution:
    def __init__(self, version: str, direct_url: str | None = None) -> None:
        self.version, self.direct_url = version, direct_url

    def read_text(self, name: str) -> str | None:
        return {"direct_url.json": self.direct_url}[name]


UPSTREAM = FakeDistribution("0.6", '{"vcs_info": {"commit_id": "02b5c4e295e990", "vcs": "git"}}')
LOCAL_WHEEL = FakeDistribution("0.6", '{"url": "file:///wheels/detectron2.whl"}')


@pytest.mark.parametrize(
    ("installed", "compiled", "expected"),
    [
        ({"detectron2": UPSTREAM}, True, "Detectron2 0.6 (upstream's 02b5c4e)"),
        ({"detectron2": LOCAL_WHEEL}, True, "Detectron2 0.6"),
        ({"detectron2": FakeDistribution("0.6")}, False, f"Detectron2 0.6, {LACKS}"),
        ({}, True, "Detectron2 of no distribution"),  # a checkout on the path
        (
            {"sal-detectron2": FakeDistribution("0.7.2+sepc")},
            False,
            f"Detectron2 0.7.2+sepc of sal-detectron2 (upstream's a59f056), {LACKS}",
        ),
    ],
)
def test_report_names_the_distribution_and_what_it_lacks(
    installed, compiled, expected, monkeypatch, tmp_path
):
    real = importlib.metadata.distribution

    def distribution(name: str) -> object:
        if name in setup_env.DISTRIBUTIONS and name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed.get(name) or real(name)

    package = tmp_path / "detectron2"
    package.mkdir()
    (package / "__init__.py").touch()
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0] if compiled else ".cpython-310-other.so"
    (package / f"_C{suffix}").touch()
    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "detectron2", raising=False)
    assert setup_env.has_compiled_operators() is compiled
    assert setup_env.detectron2_in_use() == expected
    assert re.fullmatch(re.escape(expected) + r" \(Python 3.*, numpy \d.*\)", setup_env.report())


def test_report_without_detectron2(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert setup_env.detectron2_in_use() == "Detectron2 not found"
    assert not setup_env.has_compiled_operators()


def test_the_training_report_knows_each_name_of_detectron2():
    assert set(setup_env.DISTRIBUTIONS) <= set(facts._PACKAGES)


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    described = re.findall(r"^([\w-]+):.*##", makefile, re.MULTILINE)
    assert sorted(targets) == sorted(described)
