"""Detectron2 binding: detectors, backbones, export, data sets, builders and engine."""

# Whole before any module of this package: $DETECTRON2_ENV_MODULE may name one (see cfgnode).
import detectron2  # noqa: F401

from . import norm  # noqa: F401  # Detectron2's norms by name, whatever else is imported
