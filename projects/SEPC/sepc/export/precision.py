"""Files of smaller precision: ONNX in float16, int8 by the quantizer of each file's own runtime.

Only backbone and head are converted. What follows, the decoding of boxes and their suppression,
stays in float32: in float16 a coordinate above 1024 is a multiple of a pixel.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import atomic_write
from .check import ExportError, import_package
from .exported import load_exported
from .onnx import SCOPES
from .openvino import atomic_write_pair, save
from .signature import INPUT_NAME, Signature

#: bfloat16 is not among them: ONNX Runtime's CPU has no convolution in it.
PRECISIONS = ("float16", "int8-dynamic", "int8-static")
#: of PRECISIONS, those of a file of each format
PRECISIONS_OF = {"onnx": PRECISIONS, "openvino": ("int8-static",)}

_NETWORK = ("model.backbone", "model.head")


def reduce_precision(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    precision: str,
    *,
    calibration: Sequence[Tensor] = (),
) -> None:
    """Write an exported ONNX or OpenVINO file in a smaller precision.

    - "float16": weights and maps. Where a CPU has no kernel, ONNX Runtime computes in float32.
    - "int8-dynamic": weights of convolutions, and their inputs with the ranges of each image.
    - "int8-static": with ranges seen in ``calibration``. For OpenVINO by NNCF, its own quantizer;
      the others are for ONNX.

    Names, shapes and types of the input and the outputs stay. The file is loaded and run once
    before it gets its name.

    Args:
        source: written by :func:`.export_detector`.
        calibration: images (3, H, W) uint8, as the file takes them; some dozens, of the training
            data: detections in them must not be the measure afterwards.

    Raises:
        ValueError: for an unknown precision, a file of another format or already reduced, or no
            images to calibrate on.
        ExportError: if a package is missing, or the file does not run.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"expected a precision of {list(PRECISIONS)}, got {precision!r}")
    exported = load_exported(source)
    if precision not in PRECISIONS_OF.get(exported.format, ()):
        raise ValueError(
            f"expected a precision of {list(PRECISIONS_OF[exported.format])} for a file of the "
            f"format {exported.format}, got {precision!r}"
        )
    if (own := exported.metadata.get("precision", "float32")) != "float32":
        raise ValueError(f"expected a file in float32, got one in {own}")
    if precision == "int8-static" and not len(calibration):
        raise ValueError("expected images to calibrate int8-static on, got none")
    if exported.format == "openvino":
        with atomic_write_pair(path) as partial:
            texts = {**exported.metadata, "precision": precision}
            model = import_package("openvino", extra="openvino").Core().read_model(source)
            inputs = _inputs(calibration, exported.signature)
            save(quantize_openvino(model, inputs), partial, texts)
            _run_once(partial)
        return
    onnx = import_package("onnx")
    model = onnx.load(os.fspath(source))
    with atomic_write(path) as partial:
        if precision == "float16":
            reduced = _to_float16(model)
        else:
            inputs = _inputs(calibration, exported.signature)
            reduced = quantize_onnx(model, inputs, precision, _network_nodes(model, "Conv"))
        texts = {**exported.metadata, "precision": precision}
        onnx.helper.set_model_props(reduced, texts)
        onnx.save(reduced, os.fspath(partial))
        _run_once(partial)


def _to_float16(model: Any) -> Any:
    converter = import_package("onnxruntime.transformers.float16")
    from .float16 import convert_part

    return convert_part(model, set(_network_nodes(model)), converter.convert_float_to_float16)


def quantize_onnx(
    model: Any, inputs: Sequence[dict[str, Any]], precision: str, nodes: list[str]
) -> Any:
    """Put convolutions of an ``onnx.ModelProto`` into int8 by ONNX Runtime's own quantization.

    Args:
        inputs: by name, for "int8-static" to see the ranges of the maps on.
        nodes: names of the convolutions.
    """
    onnx = import_package("onnx")
    quantization = import_package("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, prepared, target = (os.path.join(folder, f"{x}.onnx") for x in "abc")
        onnx.save(model, source)
        if precision == "int8-dynamic":
            quantization.quantize_dynamic(
                source,
                target,
                nodes_to_quantize=nodes,
                op_types_to_quantize=["Conv"],
                # of ONNX Runtime's convolutions with integers the CPU has those of unsigned ones
                weight_type=quantization.QuantType.QUInt8,
            )
        else:
            quantization.shape_inference.quant_pre_process(
                source, prepared, skip_symbolic_shape=True
            )
            quantization.quantize_static(
                prepared,
                target,
                _Calibration(inputs),
                quant_format=quantization.QuantFormat.QDQ,
                nodes_to_quantize=nodes,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        return onnx.load(target)


def quantize_openvino(model: Any, inputs: Sequence[Any]) -> Any:
    """Put the convolutions of a model of OpenVINO into int8; what is none stays as it is.

    Args:
        model: an ``openvino.Model``.
        inputs: to see the ranges of the maps on, as the model takes them.
    """
    nncf = import_package("nncf", extra="openvino")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    others = {node.get_type_name() for node in model.get_ops()} - {"Convolution"}
    return nncf.quantize(
        model,
        nncf.Dataset(inputs),
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(types=sorted(others), validate=False),
    )


def _inputs(images: Sequence[Tensor], signature: Signature) -> list[dict[str, Any]]:
    """Inputs of a file by name, each an image, as often as the file takes some."""
    number = signature.batch if isinstance(signature.batch, int) else 1
    batched = [x if signature.batch is None else torch.stack([x] * number) for x in images]
    return [{INPUT_NAME: x.numpy()} for x in batched]


class _Calibration:
    """Inputs one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, inputs: Sequence[dict[str, Any]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._inputs, None)


def _network_nodes(model: Any, kind: str | None = None) -> list[str]:
    """Names of the nodes of backbone and head."""
    names = []
    for node in model.graph.node:
        scopes = next((p.value for p in node.metadata_props if p.key == SCOPES), "")
        if any(f"'{part}'" in scopes for part in _NETWORK) and kind in (None, node.op_type):
            names.append(node.name)
    if not names:
        raise ExportError("expected a file whose nodes name the module they come from, got none")
    return names


def _run_once(path: Path) -> None:
    try:
        exported = load_exported(path)
        size = exported.signature.image_size or (exported.signature.min_size + 160,) * 2
        exported.detect(torch.zeros(3, *size, dtype=torch.uint8))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ExportError(f"the file of smaller precision does not run: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice of ONNX Runtime's quantization, which is followed where it applies."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
