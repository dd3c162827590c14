"""Robustness of a detector: corrupted images, and the mean performance on them."""

from .corruptions import CORRUPTIONS, SEVERITIES, available, corrupt
from .summary import Robustness, summarize

__all__ = ["CORRUPTIONS", "SEVERITIES", "Robustness", "available", "corrupt", "summarize"]
