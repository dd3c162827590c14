"""Programs run in a fresh interpreter where some packages can't be imported."""

import subprocess
import sys

TORCH = ("torch", "torchvision", "detectron2", "onnx")

_BLOCKED = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_without(names: tuple[str, ...], program: object, *arguments: object):
    """Run a Python file without these packages; its output is text."""
    command = [sys.executable, "-c", _BLOCKED.format(names=names), program, *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, text=True)
