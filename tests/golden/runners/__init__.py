"""How a case is computed by this project: one runner per kind of case.

A runner is a function that takes a :class:`tests.golden.case.Case` and raises where the numbers
differ. ``RUNNERS`` maps a kind of case, or the beginning of a case's name, to its runner.
"""

from collections.abc import Callable

from ..case import Case
from . import atss, boxes, conv, fcos, fpn, free_anchor, fsaf, neck, retinanet

Runner = Callable[[Case], None]

RUNNERS: dict[str, Runner] = {
    **neck.RUNNERS,
    **conv.RUNNERS,
    **fpn.RUNNERS,
    **boxes.RUNNERS,
    **retinanet.RUNNERS,
    **fcos.RUNNERS,
    **atss.RUNNERS,
    **free_anchor.RUNNERS,
    **fsaf.RUNNERS,
}


def find_runner(case: Case) -> Runner | None:
    """By the case's kind, or where one kind holds several things, by the start of its name."""
    if case.kind in RUNNERS:
        return RUNNERS[case.kind]
    fitting = [start for start in RUNNERS if case.name.startswith(start)]
    return RUNNERS[max(fitting, key=len)] if fitting else None
