"""Detectors as ONNX files of standard operators."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from .check import ExportError
from .signature import INPUT_NAME, Signature
from .torch_formats import root_cause

OPSET = 20
#: where a node says which modules it comes from
SCOPES = "pkg.torch.onnx.name_scopes"


def write_onnx(
    program: ExportedProgram, path: Path, signature: Signature, metadata: Mapping[str, str]
) -> None:
    """Write an exported program as ONNX of opset 20.

    Raises:
        ExportError: if it can't be expressed in standard operators; says which one it is.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about the exporter's own inner life
        try:
            onnx = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=list(signature.output_names),
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ExportError(f"can't export to ONNX: {root_cause(error)}") from error
    if onnx is None:
        raise ExportError("can't export to ONNX: the exporter returned no model")
    foreign = {f"{node.domain}::{node.op_type}" for node in onnx.model.graph if node.domain}
    if foreign:
        raise ExportError(f"expected standard operators only, got {sorted(foreign)}")
    _name_axes(onnx.model.graph, signature)
    for node in onnx.model.graph:  # the exporter notes paths of sources; the module's name stays
        scopes = node.metadata_props.get(SCOPES)
        node.metadata_props.clear()
        if scopes is not None:
            node.metadata_props[SCOPES] = scopes
    onnx.model.metadata_props.update(metadata)
    onnx.save(os.fspath(path))


def _name_axes(graph: Any, signature: Signature) -> None:
    """Name the axes of the input and the outputs."""
    import onnx_ir

    axes = dict(enumerate(graph.inputs[0].shape)) | signature.dynamic_axes
    graph.inputs[0].shape = onnx_ir.Shape(axes.values())  # some releases freeze the exporter's
    for output in graph.outputs:
        if output.shape is not None and len(output.shape):
            output.shape = onnx_ir.Shape(["detections", *output.shape[1:]])
