"""Public names that are imported when they are first used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sepc
import sepc.export
import sepc.visualize
from sepc.lazy import lazy_names

PACKAGES = [sepc, sepc.export, sepc.visualize]
every_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda x: x.__name__)


@every_package
def test_every_public_name_is_there(package):
    assert len(package.__all__) >= 8
    for name in package.__all__:
        home = getattr(getattr(package, name), "__module__", "")
        assert home.startswith("sepc.") or name == "FORMATS"
    assert set(package.__all__) <= set(dir(package))


@every_package
def test_type_checkers_see_the_same_names_in_the_same_modules(package):
    """What stands under TYPE_CHECKING is what the names lead to, and nothing is left out."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    homes = {alias.name: f"{package.__name__}.{x.module}" for x in block.body for alias in x.names}
    assert sorted(homes) == sorted(package.__all__)
    for name, module in homes.items():
        assert getattr(package, name) is getattr(sys.modules[module], name)


@every_package
def test_unknown_name(package):
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'x'"):
        package.x  # noqa: B018


def test_modules_are_attributes_of_the_package():
    code = "import sepc; print(sepc.layers.SEPC, sepc.checkpoint, sepc.inference)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_module_is_imported_when_its_name_is_used():
    heavy = "{'torch', 'cv2', 'matplotlib', 'pycocotools', 'sepc.layers'} & {*sys.modules}"
    code = (
        "import sys, sepc, sepc.export, sepc.visualize\n"
        f"print({heavy}, dir(sepc).count('SEPC'))\n"
        "from sepc import SEPC\n"
        "print(SEPC.__module__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["set() 1", "sepc.layers.trunk True"], done.stderr


def test_error_of_a_module_is_told_as_it_is(tmp_path, monkeypatch):
    """Not as an unknown name, which `hasattr` would take for an answer."""
    (tmp_path / "broken_one").mkdir()
    (tmp_path / "broken_one" / "__init__.py").touch()
    (tmp_path / "broken_one" / "part.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    getattribute, _ = lazy_names("broken_one", {"part": ("name",)})
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        getattribute("name")
