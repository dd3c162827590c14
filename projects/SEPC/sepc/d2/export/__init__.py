"""Export of Detectron2's detectors: :func:`export` a config with weights, or :func:`export_model`.

Which detectors go to which format says docs/export.md; what a file takes and gives,
:mod:`sepc.export.signature`.
"""

from .config import load_model, read_images
from .job import Exported, export, export_model
from .run import ExportedModel, evaluate_on

__all__ = [
    "Exported",
    "ExportedModel",
    "evaluate_on",
    "export",
    "export_model",
    "load_model",
    "read_images",
]
