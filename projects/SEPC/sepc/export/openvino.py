"""Detectors as OpenVINO's intermediate representation (IR): an .xml file and a .bin beside it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..files import atomic_write
from .devices import num_threads, openvino_device
from .signature import (
    INPUT_NAME,
    MASKS,
    OUTPUT_NAMES,
    OWNERS,
    Signature,
    metadata_from_json,
    metadata_to_json,
)

if TYPE_CHECKING:
    from torch.export import ExportedProgram

SUFFIX, WEIGHTS_SUFFIX = ".xml", ".bin"
_TEXTS = "sepc"  # where the metadata stands among the file's texts
PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


@contextlib.contextmanager
def atomic_write_pair(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write both files of an IR whole or not at all, see :func:`sepc.files.atomic_write`.

    Raises:
        ValueError: for a name that does not end with .xml.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"expected a name that ends with {SUFFIX} for OpenVINO, got {path}")
    with atomic_write(path) as partial, atomic_write(path.with_suffix(WEIGHTS_SUFFIX)):
        yield partial


def is_openvino(path: str | os.PathLike[str]) -> bool:
    """Whether a file is an IR, by its content."""
    with open(path, "rb") as file:
        return file.read(5) in (b"<?xml", b"<net ")


def size_of(path: str | os.PathLike[str]) -> int:
    """Bytes of an exported file of any format, with the weights beside an IR."""
    weights = os.path.getsize(Path(path).with_suffix(WEIGHTS_SUFFIX)) if is_openvino(path) else 0
    return os.path.getsize(path) + weights


def write_openvino(
    program: ExportedProgram, path: Path, signature: Signature, metadata: Mapping[str, str]
) -> None:
    """Write an exported program as an IR in float32, and its weights beside it.

    Raises:
        ExportError: if OpenVINO can't read the program; says which operator it is.
    """
    from .check import ExportError, import_package

    openvino = import_package("openvino", extra="openvino")
    try:
        model = openvino.convert_model(program, extension=_extensions())
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise ExportError(f"can't export to OpenVINO: {lines[-1]}") from error
    dynamic = signature.dynamic_axes
    example = program.graph_signature.user_inputs[0]
    shape = next(n.meta["val"].shape for n in program.graph.nodes if n.name == example)
    model.reshape([-1 if axis in dynamic else int(size) for axis, size in enumerate(shape)])
    model.inputs[0].tensor.set_names({INPUT_NAME})
    for output, name in zip(model.outputs, signature.output_names, strict=True):
        output.tensor.set_names({name})
    save(model, path, metadata)


def save(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a model of OpenVINO with its texts."""
    import openvino

    model.set_rt_info(metadata_to_json(metadata), _TEXTS)
    openvino.save_model(model, os.fspath(path), compress_to_fp16=False)


class Port(NamedTuple):
    """Input or output of a file: a size that may change is a text."""

    name: str
    shape: list[int | str]
    type: str


class OpenVinoFile:
    """IR in OpenVINO's runtime, with as many threads as :class:`.exported.OnnxFile` takes.

    Args:
        path: of the .xml file.
        device: of :data:`.devices.DEVICES`.
        precision: to compute in; OpenVINO itself would take bfloat16 where the processor has it.

    Attributes:
        metadata: texts of the file.
        inputs, outputs: each with ``name``, ``shape`` and ``type``.

    Raises:
        ValueError: if it can't be read, its texts are not those of a detector, or there is no such
            device.
        ImportError: if OpenVINO is missing.
    """

    def __init__(
        self, path: str | os.PathLike[str], device: str = "cpu", precision: str = "float32"
    ) -> None:
        import openvino

        self._path = os.fspath(path)
        core = openvino.Core()
        name = openvino_device(device, core.available_devices)
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        if name == "CPU" and num_threads():
            settings["INFERENCE_NUM_THREADS"] = num_threads()
        with self._one_line():
            model = core.read_model(self._path)
            texts = model.get_rt_info(_TEXTS).astype(str) if model.has_rt_info(_TEXTS) else ""
            self._model = core.compile_model(model, name, settings)
        self.metadata = metadata_from_json(self._path, texts)
        self.inputs = [_port(x) for x in self._model.inputs]
        self.outputs = [_port(x) for x in self._model.outputs]

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs by their names.

        Raises:
            ValueError: if OpenVINO can't run the file on these inputs.
        """
        with self._one_line():
            found = self._model(dict(inputs))
            return [np.array(found[name]) for name in names]

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # OpenVINO's own have no common base
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = next((x for x in lines if not x.startswith("Exception from")), lines[0])
            raise ValueError(f"{self._path} can't be run in OpenVINO: {reason}") from error


def _port(port: Any) -> Port:
    shape = [x.get_length() if x.is_static else "dynamic" for x in port.partial_shape]
    names = port.get_names()  # the reader may add one of its own
    own = [name for name in (INPUT_NAME, *OUTPUT_NAMES, OWNERS, MASKS) if name in names]
    return Port((own or sorted(names))[0], shape, str(port.element_type.to_dtype()))


def _extensions() -> list[Any]:
    """Operators of a detector that OpenVINO's reader of exported programs does not know."""
    import torch
    from openvino import opset13 as ops
    from openvino.frontend.pytorch import ConversionExtension

    def number(*values: int) -> Any:
        return ops.constant(np.array(values if len(values) > 1 else values[0], np.int64))

    def nms(context: Any) -> list[Any]:
        boxes, scores, threshold = (context.get_input(i) for i in range(3))
        found = ops.non_max_suppression(
            ops.reshape(boxes, number(1, -1, 4), False),
            ops.unsqueeze(scores, number(0, 1)),
            ops.squeeze(ops.shape_of(scores), number(0)),  # keep as many as there are
            ops.convert(threshold, "f32"),
            box_encoding="corner",
            output_type="i64",
        )  # rows of (image, class, box)
        return [ops.gather(found.output(0), number(2), number(1)).output(0)]

    def minimum(context: Any) -> list[Any]:
        a, b = (ops.convert(context.get_input(i), "i64") for i in range(2))
        return [ops.minimum(a, b).output(0)]

    return [
        ConversionExtension("torchvision.nms.default", nms),
        ConversionExtension(str(torch.sym_min), minimum),  # the name that the reader gives it
    ]
