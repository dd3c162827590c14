"""The Detectron2 binding: heads, backbone, data sets, builders, engine."""

# Whole before any module of this package: $DETECTRON2_ENV_MODULE may name one (see cfgnode).
import detectron2  # noqa: F401

from . import norm  # noqa: F401  # Detectron2's norms by name, whatever else is imported
