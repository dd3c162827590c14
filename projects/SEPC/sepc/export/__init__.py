"""Detectors as files that run elsewhere."""

from .check import Agreement, ExportError, check_detections, compare_detections
from .export import export_detector, export_onnx
from .exported import ExportedDetector, load_exported
from .metadata import join_names, split_names
from .onnx import run_onnx
from .signature import FORMATS, Signature

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
    "run_onnx",
    "split_names",
]
