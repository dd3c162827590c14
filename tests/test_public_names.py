"""Public names that are imported when they are first used."""

import subprocess
import sys

import pytest

import sepc
import sepc.export


@pytest.mark.parametrize("package", [sepc, sepc.export], ids=["sepc", "sepc.export"])
def test_every_public_name_is_there(package):
    assert len(package.__all__) >= 8
    for name in package.__all__:
        home = getattr(getattr(package, name), "__module__", "")
        assert home.startswith("sepc.") or name == "FORMATS"
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", [sepc, sepc.export], ids=["sepc", "sepc.export"])
def test_unknown_name(package):
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'x'"):
        package.x  # noqa: B018


def test_modules_are_attributes_of_the_package():
    code = "import sepc; print(sepc.layers.SEPC, sepc.checkpoint, sepc.inference)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
