"""The floors of the package: imports only go down, and `import sepc` needs torch alone."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(importlib.util.find_spec("sepc").origin).parent
FILES = sorted(PACKAGE.rglob("*.py"))
BINDINGS = ("sepc.d2", "sepc.tv")
PROGRAMS = ("quickstart", "studies", "benchmarks", "dev", "tests")  # of this repository alone
DETECTRON2 = ("detectron2", "fvcore", "iopath", "omegaconf", "hydra", "yacs")

# What a floor may import besides the standard library and itself.
MAY_IMPORT = {
    "layers": ("torch", "torchvision.ops"),
    "methods": ("torch", "torchvision.ops", "sepc.layers"),
    "checkpoint": ("torch", "numpy", "sepc.files"),  # pickles of others hold arrays
    "data": ("PIL", "tqdm", "sepc.files", "sepc.export.preprocess"),  # tqdm where it is installed
}


def is_within(module: str, parents: tuple[str, ...]) -> bool:
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def imports_of(source: str, package: str) -> set[str]:
    """Full names of all that ``source``, a module of ``package``, imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            dotted = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(dotted, package) if node.level else dotted
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def imports_in(path: Path) -> set[str]:
    package = ".".join(("sepc", *path.relative_to(PACKAGE).parent.parts))
    return imports_of(path.read_text(encoding="utf-8"), package)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import detectron2.config as c", {"detectron2.config"}),
        ("def f():\n    from detectron2 import model_zoo", {"detectron2.model_zoo"}),
        ("from ..d2 import datasets", {"sepc.d2.datasets"}),
        ("from .. import tv", {"sepc.tv"}),
        ("from .trunk import SEPC", {"sepc.layers.trunk.SEPC"}),
        ("from . import trunk", {"sepc.layers.trunk"}),
        ("import torch, cv2", {"torch", "cv2"}),
    ],
)
def test_scan_sees_every_form_of_import(source, expected):
    assert imports_of(source, "sepc.layers") == expected


@pytest.mark.parametrize("floor", MAY_IMPORT)
def test_floor_imports_only_what_lies_below(floor):
    allowed = (*sys.stdlib_module_names, f"sepc.{floor}", *MAY_IMPORT[floor])
    files = sorted((PACKAGE / floor).rglob("*.py"))
    assert files
    for path in files:
        foreign = {name for name in imports_in(path) if not is_within(name, allowed)}
        assert not foreign, f"{path.relative_to(PACKAGE)} imports {sorted(foreign)}"


def test_generated_data_need_no_torch():
    allowed = (*sys.stdlib_module_names, "quickstart.data", "sepc.data.progress")
    allowed += ("numpy", "cv2", "pycocotools")
    folder = Path(__file__).resolve().parents[1] / "quickstart" / "data"
    for path in sorted(folder.glob("*.py")):
        found = imports_of(path.read_text(encoding="utf-8"), "quickstart.data")
        assert not {name for name in found if not is_within(name, allowed)}, path.name


def test_only_the_binding_imports_detectron2_and_no_binding_the_other():
    for path in FILES:
        module = ".".join(("sepc", *path.relative_to(PACKAGE).with_suffix("").parts))
        if is_within(module, ("sepc.d2",)) or is_within(module, ("sepc.jobs",)):
            forbidden = ("sepc.tv", *PROGRAMS)
        elif is_within(module, ("sepc.tv",)):
            forbidden = ("sepc.d2", *DETECTRON2, *PROGRAMS)
        else:
            forbidden = (*BINDINGS, *DETECTRON2, *PROGRAMS)
        seen = {name for name in imports_in(path) if is_within(name, forbidden)}
        assert not seen, f"{path.relative_to(PACKAGE)} imports {sorted(seen)}"


IMPORT_ALL = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ModuleNotFoundError("refused: " + name, name=name)

sys.meta_path.insert(0, Refuse())
for name in {modules}:
    module = importlib.import_module(name)
    floor = module.__path__ if name != "sepc" else ()
    for found in pkgutil.walk_packages(floor, name + "."):
        importlib.import_module(found.name)
print(*(name for name in sys.modules if name.startswith("sepc")))
"""


@pytest.mark.parametrize(
    ("modules", "refused"),
    [
        (["sepc"], (*DETECTRON2, "cv2", "pycocotools", "matplotlib")),
        ([f"sepc.{floor}" for floor in MAY_IMPORT], (*DETECTRON2, "matplotlib")),
    ],
    ids=["sepc", "floors"],
)
def test_import_in_a_fresh_interpreter(modules, refused):
    code = IMPORT_ALL.format(modules=modules, refused=tuple(refused))
    path = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert set(modules) <= set(imported)
    assert not [name for name in imported if is_within(name, (*BINDINGS, *PROGRAMS))]
