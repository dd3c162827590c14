"""Studies: many trainings that differ in one thing, and their results.

:func:`train_all` trains a list of :class:`Run`, and a :class:`Record` keeps the results, from which
the tables and plots are made. A study can be stopped at any time and goes on where it was.
"""

from .program import exit_status
from .record import Record
from .run import Run
from .runner import RunsFailed, train_all

__all__ = ["Record", "Run", "RunsFailed", "exit_status", "train_all"]
