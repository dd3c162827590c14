"""Report of a training as one page of HTML."""

from .page import write_report
from .run import Run

__all__ = ["Run", "write_report"]
