"""Detectors as files of torch: TorchScript and ``torch.export``."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from .check import ExportError
from .exported import METADATA_FILE
from .signature import Signature, metadata_to_json


def trace(detector: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
    """TorchScript of a detector, traced on an example.

    Raises:
        ExportError: says at which operation it fails.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecated, and constants that are meant to be some
        try:
            # the check that follows uses other images, and so is the stronger one
            return torch.jit.trace(detector, (example,), check_trace=False)
        except Exception as error:
            raise ExportError(f"can't export to TorchScript: {root_cause(error)}") from error


def capture(
    detector: nn.Module, example: Tensor, signature: Signature, *, format: str = "torch-export"
) -> ExportedProgram:
    """Exported program of a detector, with sizes as ``signature`` has them.

    Args:
        format: that the program is for, to be named in an error.

    Raises:
        ExportError: says at which operation it fails.
    """
    shapes = {
        axis: Dim(name) if name == "batch" else Dim(name, min=signature.min_size)
        for axis, name in signature.dynamic_axes.items()
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about the exporter's own inner life
        try:
            return torch.export.export(
                detector,
                (example,),
                dynamic_shapes=(shapes,) if shapes else None,
                strict=False,
                # that levels fit each other follows from the padding, which is hard to prove
                prefer_deferred_runtime_asserts_over_guards=True,
            )
        except Exception as error:
            raise ExportError(f"can't export to {format}: {root_cause(error)}") from error


def write_torchscript(module: torch.jit.ScriptModule, path: Path, meta: Mapping[str, str]) -> None:
    """Write a traced detector with its texts."""
    with path.open("wb") as file:  # by name torch wants a suffix
        torch.jit.save(module, file, _extra_files={METADATA_FILE: metadata_to_json(meta)})


def write_torch_export(program: ExportedProgram, path: Path, meta: Mapping[str, str]) -> None:
    """Write an exported program with its texts."""
    with path.open("wb") as file:  # by name torch wants a suffix
        torch.export.save(program, file, extra_files={METADATA_FILE: metadata_to_json(meta)})


def root_cause(error: BaseException) -> str:
    """First line of the error that caused an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
