"""Make the virtual environment of this repository; `make env` runs it. Standard library only.

Upstream's Detectron2 is on no package registry (what carries its name there is not upstream's), so
it is looked for: as already installed, then as a wheel among pip's own find-links, then in its
public repository, then as the pinned redistribution of :mod:`.redistribution`, which is without the
compiled operators. Where all fail the environment is finished without it, and a line says so.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dev import redistribution

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/facebookresearch/detectron2"
COMMIT = "02b5c4e295e990042a714712c21dc79b731e8833"
SOURCE = f"git+{REPOSITORY}@{COMMIT}"
EXTRAS = "opencv,export,plots,dev"
SWITCH = "SEPC_WITHOUT_DETECTRON2"

# The compiled part alone, which needs none of Detectron2's dependencies: it is what a Detectron2
# built for another torch fails in.
LOADS = (
    "import sys, torch; from importlib.util import find_spec; "
    "sys.path[:0] = find_spec('detectron2').submodule_search_locations; import _C"
)
WORKS = "from detectron2 import _C, config, engine, evaluation, model_zoo, modeling"
WORKS_UNCOMPILED = (
    f"from importlib.metadata import version; version('{redistribution.NAME}'); "
    + WORKS.replace("_C, ", "")
)
UNCOMPILED = "its compiled operators are missing"

DISTRIBUTIONS = ("detectron2", redistribution.NAME)

FETCHED = re.compile(
    r"(Downloading|Using cached) (?:\S*/)?(\w[^-/\s]*)-(\d[^-\s]*)\S* \(([\d.]+) ([MG]B)\)"
)

NETWORK_SECONDS = 20.0
PIP_SECONDS = 3600.0

if TYPE_CHECKING:  # an older Python cannot read it, and is to be told in one line which is needed
    Runner = Callable[[list[str], float], tuple[int, str]]
    """``(command, time limit in seconds) -> (exit status, all output)``; see :func:`run_logged`."""


def progress_of(line: str) -> str | None:
    """The few words a line of pip's output is worth to someone waiting, or None."""
    if fetched := FETCHED.search(line):
        how, name, version, size, unit = fetched.groups()
        is_large = unit == "GB" or float(size) >= 20
        return f"{how.lower()} {name} {version}, {size} {unit}" if is_large else None
    if line.startswith("Installing collected packages:"):
        count = line.count(",") + 1
        return f"unpacking {count} packages" if count > 1 else None
    if re.match(r"\s*Building wheel for detectron2.*started", line):
        return "compiling Detectron2, several minutes"
    return None


def run_logged(log: Path, say: Callable[[str], None]) -> Runner:
    """A runner that appends all output to ``log`` and says only what :func:`progress_of` keeps.

    A command past its time limit is killed with everything it started, so that nothing which it
    left behind can hold the pipe open. No command may ask a question: there is nobody to answer.
    """
    env = dict(os.environ, GIT_TERMINAL_PROMPT="0", PIP_NO_INPUT="1", PYTHONUNBUFFERED="1")
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"

    def run(command: list[str], seconds: float) -> tuple[int, str]:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                env=env,
                cwd=ROOT,
                start_new_session=True,
            )
        except OSError as error:  # no git, for one
            return 127, f"{command[0]}: {error.strerror}"
        expired = threading.Event()

        def kill() -> None:
            os.killpg(process.pid, signal.SIGKILL)

        def expire() -> None:
            expired.set()
            kill()

        timer = threading.Timer(seconds, expire)
        timer.start()
        lines = []
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"\n$ {' '.join(command)}\n")
                for line in process.stdout or ():
                    file.write(line)
                    lines.append(line)
                    if words := progress_of(line):
                        say(f"      {words}")
            status = process.wait()
        except BaseException:
            kill()
            raise
        finally:
            timer.cancel()
        if expired.is_set():
            lines.append(f"no answer within {seconds:g} s\n")
            status = status or 124
        return status, "".join(lines)

    return run


def last_line(output: str) -> str:
    """The last line that is neither empty nor one of pip's warnings and hints."""
    lines = [line.strip() for line in output.splitlines()]
    telling = [x for x in lines if x and not x.startswith(("WARNING:", "[notice]", "hint:"))]
    return telling[-1] if telling else "no output"


def detectron2_needs() -> list[str]:
    """What Detectron2 needs at run time: the extra of that name in pyproject.toml."""
    import tomllib

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(pyproject["project"]["optional-dependencies"]["detectron2"])


class Setup:
    """The steps of the set-up, each run through ``run`` and announced through ``say``."""

    def __init__(self, venv: Path, *, run: Runner, say: Callable[[str], None] = print) -> None:
        self.venv, self.run, self.say = venv, run, say
        self.python = str(venv.absolute() / "bin" / "python")

    def pip(self, *arguments: str) -> tuple[int, str]:
        return self.run([self.python, "-m", "pip", *arguments], PIP_SECONDS)

    def install(self, *arguments: str) -> tuple[int, str]:
        return self.pip("install", "-c", str(ROOT / "constraints.txt"), *arguments)

    def runs(self, code: str) -> tuple[bool, str]:
        """Whether ``code`` runs in the new environment, and what it printed last."""
        status, output = self.run([self.python, "-c", code], NETWORK_SECONDS * 6)
        return status == 0, last_line(output)

    def install_packages(self) -> None:
        """Install sepc, editable, and the tested packages; ends the program where that fails."""
        status, output = self.install("-e", f".[{EXTRAS}]")
        if status != 0:
            tail = "\n".join(output.splitlines()[-15:])
            sys.exit(f"{tail}\nThe packages could not be installed; see {self.venv}/setup.log")

    def detectron2_from_wheel(self) -> tuple[int, str]:
        """Only from the wheels pip finds by itself (find-links): never from an index."""
        wheel = ("--no-index", "--no-deps", "--only-binary=detectron2", "--force-reinstall")
        return self.install(*wheel, "detectron2")

    def detectron2_from_source(self) -> tuple[int, str]:
        """Build the pinned commit against the torch that is installed."""
        answer = self.run(["git", "ls-remote", REPOSITORY, "HEAD"], NETWORK_SECONDS)
        if answer[0] != 0:
            return answer
        tools = self.install("setuptools", "wheel", "ninja")
        if tools[0] != 0:
            return tools
        return self.install("--no-deps", "--no-build-isolation", "--force-reinstall", SOURCE)

    def detectron2_from_redistribution(self) -> tuple[int, str]:
        """Install the pinned file of the index, if its hash is right, without its binary."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            requirements = folder / "requirements.txt"
            requirements.write_text(redistribution.requirement(), encoding="utf-8")
            options = (*redistribution.DOWNLOAD, "--dest", name, "--requirement", str(requirements))
            status, output = self.pip("download", *options)
            if status != 0:
                return status, redistribution.refusal(output) or output
            try:
                (archive,) = folder.glob("*.whl")
                wheel = redistribution.repack(archive, folder)
            except ValueError as error:
                return 1, str(error)
            return self.install("--no-index", "--no-deps", "--force-reinstall", str(wheel))

    def remove_detectron2(self) -> bool:
        """Uninstall Detectron2 under each of its names; whether one was installed."""
        output = self.pip("uninstall", "-y", *DISTRIBUTIONS)[1]
        return "Successfully uninstalled" in output

    def check_detectron2(self, *, compiled: bool) -> str | None:
        """Complete a just installed Detectron2; what is wrong with it, or None."""
        loads, error = self.runs(LOADS) if compiled else (True, "")
        if not loads:
            return f"it does not load: {error}"
        status, output = self.install(*detectron2_needs())
        if status != 0:
            return f"its dependencies could not be installed: {last_line(output)}"
        works, error = self.runs(WORKS if compiled else WORKS_UNCOMPILED)
        return None if works else f"it does not import: {error}"

    def find_detectron2(self) -> bool:
        """Look for Detectron2, best way first; whether the environment has it at the end."""
        if self.runs(WORKS)[0]:
            self.say("      already installed")
            return True
        if self.runs(WORKS_UNCOMPILED)[0]:
            self.say(
                f"      already installed: {redistribution.NAME}, {UNCOMPILED}. To look for"
                f" upstream's again: `{self.venv}/bin/pip uninstall {redistribution.NAME}`, then"
                " `make detectron2`"
            )
            return True
        if self.remove_detectron2():
            self.say("      removed what was installed: it does not work")
        redistributed = f"{redistribution.NAME} {redistribution.VERSION} of the package index"
        ways = {
            "a local wheel": self.detectron2_from_wheel,
            f"source at {COMMIT[:7]}": self.detectron2_from_source,
            redistributed: self.detectron2_from_redistribution,
        }
        for name, way in ways.items():
            compiled = name != redistributed
            status, output = way()
            if status != 0:
                self.say(f"      {name}: not to be had ({last_line(output)})")
                continue
            problem = self.check_detectron2(compiled=compiled)
            if problem is None:
                self.say(f"      {name}: installed" + ("" if compiled else f", {UNCOMPILED}"))
                return True
            self.remove_detectron2()
            self.say(f"      {name}: removed again, {problem}")
        self.say(
            "      Detectron2 is missing, all that needs it is left out. To add it: put a wheel"
            f" where pip's find-links looks, or `{self.venv}/bin/pip install --no-build-isolation"
            f" '{SOURCE}'`; then `make detectron2`."
        )
        return False


def has_compiled_operators() -> bool:
    """Whether the Detectron2 of this environment has a compiled module for this Python."""
    from importlib.machinery import EXTENSION_SUFFIXES
    from importlib.util import find_spec

    spec = find_spec("detectron2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return any(
        (Path(folder) / f"_C{suffix}").is_file()
        for folder in folders
        for suffix in EXTENSION_SUFFIXES
    )


def detectron2_in_use() -> str:
    """A few words: which Detectron2 this environment has, and what it is without."""
    from importlib.metadata import PackageNotFoundError, distribution
    from importlib.util import find_spec

    if find_spec("detectron2") is None:
        return "Detectron2 not found"
    words = "Detectron2 of no distribution"
    for name in DISTRIBUTIONS:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        commit = re.search(r'"commit_id": *"(\w{7})', found.read_text("direct_url.json") or "")
        words = f"Detectron2 {found.version}"
        if name == redistribution.NAME:
            words += f" of {name} (upstream's {redistribution.UPSTREAM_COMMIT[:7]})"
        elif commit:
            words += f" (upstream's {commit[1]})"
        break
    return words if has_compiled_operators() else f"{words}, {UNCOMPILED}"


def report() -> str:
    """One line: which Detectron2 there is, and the main versions of the running environment."""
    from importlib.metadata import PackageNotFoundError, version

    def named(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"{package} none"

    packages = ", ".join(map(named, ("torch", "torchvision", "numpy", "onnxruntime")))
    return f"{detectron2_in_use()} (Python {sys.version.split()[0]}, {packages})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="where it is made")
    parser.add_argument("--report", action="store_true", help="only say what is installed")
    arguments = parser.parse_args()
    if arguments.report:
        print(report())
        return
    if sys.version_info < (3, 11):  # noqa: UP036 (asked before anything is installed)
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: PYTHON=...")

    def say(line: str) -> None:
        print(line, flush=True)

    venv = arguments.venv
    say(f"[1/3] virtual environment {venv}, Python {sys.version.split()[0]}")
    is_made = (venv / "bin" / "pip").exists()  # the last thing venv makes
    if not is_made and subprocess.call([sys.executable, "-m", "venv", str(venv)]) != 0:
        sys.exit(f"{venv} could not be made (on Debian and Ubuntu: apt install python3-venv)")
    setup = Setup(venv, run=run_logged(venv / "setup.log", say), say=say)
    say(f"[2/3] packages of constraints.txt, a few GB the first time (log: {venv}/setup.log)")
    setup.install_packages()
    say("[3/3] Detectron2")
    if os.environ.get(SWITCH, "0") in ("", "0"):
        setup.find_detectron2()
    else:
        say(f"      left out, as {SWITCH} asks")


if __name__ == "__main__":
    main()
