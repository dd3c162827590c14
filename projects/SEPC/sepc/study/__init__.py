"""Studies: many trainings that differ in one thing, and what came of each.

A study is a list of :class:`Run` s, trained by :func:`train_all` and kept in a :class:`Record`, from
which the tables and plots are made. It can be stopped at any time and goes on where it was.
"""

from .record import Record
from .run import Run
from .runner import RunsFailed, train_all

__all__ = ["Record", "Run", "RunsFailed", "train_all"]
