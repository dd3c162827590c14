"""Checks of data in COCO's format."""

from .doctor import CocoSet, Diagnosis, diagnose
from .validate import validate_coco

__all__ = ["CocoSet", "Diagnosis", "diagnose", "validate_coco"]
