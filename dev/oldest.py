"""Run tests on the lowest versions that pyproject.toml names; `make test-oldest` does it.

In environments of their own under .venv-oldest: one for the trunk and what else works on the lowest
torch, and one for the export, which needs a newer one. Standard library only; Python 3.11 or 3.12,
for which all these versions have wheels.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venv-oldest"
PYTHONS = ((3, 11), (3, 12))


class Environment(NamedTuple):
    """Extras of pyproject.toml, and the tests that run on their lowest versions."""

    extras: tuple[str, ...]
    tests: tuple[str, ...]


ENVIRONMENTS = {
    "core": Environment(
        ("opencv", "plots"),
        (
            "layers",
            "methods",
            "golden",
            "test_golden_paths.py",
            "test_inference.py",
            "tv",
            "checkpoint",
            "data",
            "visualize",
            "report",
        ),
    ),
    "export": Environment(("opencv", "export"), ("export", "demo", "tv")),
}


def lowest(requirements: Iterable[str]) -> dict[str, str]:
    """Lowest version of each package by its name; the last one where a package comes twice.

    Raises:
        ValueError: for a requirement without a floor.
    """
    floors = {}
    for requirement in requirements:
        match = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
        if match is None:
            raise ValueError(f"expected a floor such as 'numpy>=1.26', got {requirement!r}")
        floors[match[1]] = match[2]
    return floors


def requirements_of(project: dict[str, Any], extras: Iterable[str]) -> list[str]:
    """Requirements of a project table with these extras, and pytest's among the extra ``dev``."""
    optional = project["optional-dependencies"]
    tests = [x for x in optional["dev"] if re.match(r"pytest\b(?!-)", x)]
    return [*project["dependencies"], *(x for name in extras for x in optional[name]), *tests]


def run_tests(name: str, project: dict[str, Any], arguments: list[str]) -> int:
    """Complete the environment ``name`` and run its tests; the exit status."""
    extras, tests = ENVIRONMENTS[name]
    floors = lowest(requirements_of(project, extras))
    pins = [f"{package}=={version}" for package, version in floors.items()]
    print(f"[{name}] {', '.join(pins)}", flush=True)
    venv = FOLDER / name
    python = str(venv / "bin" / "python")
    steps = [
        [python, "-m", "pip", "install", "-q", "-e", f".[{','.join(extras)}]", *pins],
        [python, "-m", "pytest", *(f"tests/{test}" for test in tests), *arguments],
    ]
    if not (venv / "bin" / "pip").exists():  # the last thing venv makes
        steps.insert(0, [sys.executable, "-m", "venv", str(venv)])
    return next((status for step in steps if (status := subprocess.call(step, cwd=ROOT))), 0)


def main() -> None:
    if sys.version_info[:2] not in PYTHONS:
        expected = " or ".join(f"{x}.{y}" for x, y in PYTHONS)
        sys.exit(f"Python {expected} is needed, this is {sys.version.split()[0]}: PYTHON=...")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    results = {name: run_tests(name, project, sys.argv[1:]) for name in ENVIRONMENTS}
    if failed := [name for name, status in results.items() if status]:
        sys.exit(f"failed on the lowest versions: {', '.join(failed)}")


if __name__ == "__main__":
    main()
