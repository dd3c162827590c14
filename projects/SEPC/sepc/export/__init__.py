"""Detectors as files that run elsewhere; torch is imported when a name that needs it is used."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .check import Agreement, ExportError, check_detections, compare_detections
    from .export import export_detector, export_onnx
    from .exported import ExportedDetector, load_exported
    from .signature import FORMATS, Signature, join_names, split_names

__all__ = [
    "FORMATS",
    "Agreement",
    "ExportError",
    "ExportedDetector",
    "Signature",
    "check_detections",
    "compare_detections",
    "export_detector",
    "export_onnx",
    "join_names",
    "load_exported",
    "split_names",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "check": ("Agreement", "ExportError", "check_detections", "compare_detections"),
        "export": ("export_detector", "export_onnx"),
        "exported": ("ExportedDetector", "load_exported"),
        "signature": ("FORMATS", "Signature", "join_names", "split_names"),
    },
)
