"""Detectors as files that run elsewhere; torch is imported when a name that needs it is used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import Agreement, ExportError, check_detections, compare_detections
    from .export import export_detector, export_onnx
    from .exported import ExportedDetector, load_exported
    from .signature import FORMATS, Signature, join_names, split_names

_MODULES = {
    "check": ("Agreement", "ExportError", "check_detections", "compare_detections"),
    "export": ("export_detector", "export_onnx"),
    "exported": ("ExportedDetector", "load_exported"),
    "signature": ("FORMATS", "Signature", "join_names", "split_names"),
}
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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
