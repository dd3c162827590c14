"""How a case is computed by this project: one module per method, found by itself.

A module holds ``RUNNERS``: kind of case to a function that takes a
:class:`tests.golden_neighbours.case.Case` and raises where the numbers differ.
"""

import importlib
import pkgutil
from collections.abc import Callable

from ..case import Case

RUNNERS: dict[str, Callable[[Case], None]] = {}
for module in pkgutil.iter_modules(__path__, f"{__name__}."):
    RUNNERS |= importlib.import_module(module.name).RUNNERS
