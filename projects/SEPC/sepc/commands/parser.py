"""What the command lines have in common: how they are parsed, and how the work is started.

A module of this package holds a command line and imports no more than argparse needs, so that help
and wrong flags are answered at once. The work, of the same name in :mod:`sepc.jobs`, is imported
when the arguments are found right.
"""

import os
import sys
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

__all__ = ["Namespace", "Parser", "start"]

_LIBRARIES_ABOUT_EACH_OTHER = (r"`torch\.jit\.\w+` is deprecated", "pkg_resources is deprecated")
_NAMES = {"detectron2": "Detectron2", "cv2": "OpenCV"}


class Parser(ArgumentParser):
    """Parser whose flags may stand anywhere, after overrides of the config too.

    Args:
        text: what the help says, where ``%(prog)s`` is how the command was called.
        prog: how it was called, such as ``sepc train``; default: as a file.
    """

    def __init__(self, text: str, prog: str | None = None) -> None:
        super().__init__(
            prog=prog or f"python {os.path.relpath(sys.argv[0])}",
            description=text,
            formatter_class=RawDescriptionHelpFormatter,
        )

    def parse(self, argv: Sequence[str] | None) -> Namespace:
        """Parse, with positional arguments and flags in any order.

        Raises:
            SystemExit: 2 where they are wrong, which stderr says; 0 after the help.
        """
        return self.parse_intermixed_args(argv)


def start(job: str, args: Namespace) -> int:
    """Do the work of a command.

    Args:
        job: name of a module of :mod:`sepc.jobs`.
        args: what its ``main`` takes.

    Returns:
        the exit status; 2 and a line on stderr where a package that it needs is missing.
    """
    for message in _LIBRARIES_ABOUT_EACH_OTHER:
        warnings.filterwarnings("ignore", message)
    try:
        main = import_module(f"sepc.jobs.{job}").main
    except ModuleNotFoundError as error:
        package = (error.name or "sepc").partition(".")[0]
        if package == "sepc":
            raise
        name = _NAMES.get(package, f"the package {package}")
        print(f"error: this needs {name}, which is not installed", file=sys.stderr)
        return 2
    return main(args)
