"""Checks of data in COCO's format."""

from .validate import validate_coco

__all__ = ["validate_coco"]
