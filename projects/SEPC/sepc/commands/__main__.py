"""The program ``sepc``: ``sepc NAME``, or ``python -m sepc.commands NAME``.

It reads the first lines of the modules beside it for its list, and imports the one that is asked
for.
"""

import ast
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

#: In the order in which one needs them; the list has the others below.
USUAL = ("train", "eval", "predict", "export", "convert", "check_data", "bench", "report")

_FOLDER = Path(__file__).parent
_NO_COMMANDS = ("__init__", "__main__", "parser")


def names() -> list[str]:
    """Modules that are commands, the usual ones first."""
    found = {path.stem for path in _FOLDER.glob("*.py")} - set(_NO_COMMANDS)
    return [*USUAL, *sorted(found - set(USUAL))]


def text() -> str:
    """What ``sepc --help`` prints: the commands, each with the first line of its module."""
    lines = ["usage: sepc COMMAND ...", "", *map(_line, USUAL), ""]
    lines += [_line(name) for name in names() if name not in USUAL]
    return "\n".join([*lines, "", "sepc COMMAND --help tells of its flags, with examples."])


def _line(name: str) -> str:
    tree = ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    first = (ast.get_docstring(tree) or "").partition("\n")[0]
    return f"  {spelled(name):<20} {first.replace('``', '')}"


def spelled(name: str) -> str:
    return name.replace("_", "-")


def main(argv: Sequence[str] | None = None) -> int:
    """Start a command, and return its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help", "--version"):
        from .. import __version__

        print(f"sepc {__version__}" if first == "--version" else text())
        return 0
    known = {spelled(name): name for name in names()}
    name = known.get(spelled(first))
    if name is None:
        print(f"sepc: expected one of {', '.join(known)}, got {first!r}", file=sys.stderr)
        return 2
    return import_module(f"sepc.commands.{name}").main(arguments[1:], f"sepc {spelled(name)}")


if __name__ == "__main__":
    sys.exit(main())
