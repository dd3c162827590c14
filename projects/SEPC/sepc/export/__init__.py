"""Detectors as files that run elsewhere."""

from .check import Agreement, ExportError, compare_detections
from .onnx import export_onnx, run_onnx

__all__ = ["Agreement", "ExportError", "compare_detections", "export_onnx", "run_onnx"]
