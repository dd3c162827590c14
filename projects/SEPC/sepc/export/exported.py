"""Exported detectors of any format, loaded and run.

torch is imported where tensors come in or go out: :class:`OnnxFile` needs none.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .devices import num_threads, onnx_providers
from .openvino import OpenVinoFile, is_openvino
from .preprocess import check_outputs
from .signature import (
    ANY,
    INPUT_NAME,
    OUTPUT_NAMES,
    OWNERS,
    Signature,
    check_metadata,
    metadata_from_json,
    split_names,
)

if TYPE_CHECKING:
    from torch import Tensor

METADATA_FILE = "sepc.json"


class ExportedDetector:
    """Detector from a file that :func:`.export_detector` has written, on the CPU.

    Attributes:
        format: of :data:`.signature.FORMATS`.
        metadata: texts of the file.
        signature: what it takes.
        class_names: K names; empty if the file has none.
    """

    def __init__(
        self, run: Callable[[Tensor], Sequence[Tensor]], format: str, metadata: dict[str, str]
    ) -> None:
        check_metadata(metadata)
        self._run = run
        self.format = format
        self.metadata = metadata
        self.signature = Signature.from_text(metadata)
        self.class_names = split_names(metadata.get("class_names", ""))

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the file by name, see :mod:`.signature`.

        Args:
            images: uint8, (3, H, W) or (N, 3, H, W) as the signature says.

        Raises:
            ValueError: for images that the file does not take, or outputs that are no detections.
        """
        import torch

        self.signature.check(images)
        with torch.no_grad():
            outputs = self._run(images)
        names = self.signature.output_names
        if len(outputs) != len(names):
            raise ValueError(f"expected the outputs {names} of the file, got {len(outputs)}")
        check_outputs(*(x.numpy() for x in outputs[: len(OUTPUT_NAMES)]))
        return dict(zip(names, outputs, strict=True))

    def detect(self, image: Tensor) -> tuple[Tensor, ...]:
        """Boxes, scores, classes, and masks if there are, of one image (3, H, W)."""
        batch = self.signature.batch
        if batch is None:
            return tuple(self(image).values())
        number = 1 if batch == ANY else int(batch)
        return self.detect_batch(image[None].expand(number, *image.shape).contiguous())[0]

    def detect_batch(self, images: Tensor) -> list[tuple[Tensor, ...]]:
        """Detections as of :meth:`detect`, for each of N images (N, 3, H, W)."""
        if self.signature.batch is None:
            return [self.detect(image) for image in images]
        found = self(images)
        owners = found.pop(OWNERS)
        return [tuple(x[owners == i] for x in found.values()) for i in range(len(images))]


def load_exported(
    path: str | os.PathLike[str], *, trust: bool = False, device: str = "cpu"
) -> ExportedDetector:
    """Read a file of any of the formats, which its content tells.

    ONNX and OpenVINO files are data: a graph of operators. TorchScript and torch.export files are
    programs, which can do to the machine what any program can.

    Args:
        path: of the file.
        trust: read programs as well. False refuses them, and nothing of them is run.
        device: of :data:`.devices.DEVICES`, for an ONNX or OpenVINO file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of them or damaged, or a program that is not trusted.
        ImportError: if ONNX Runtime or OpenVINO is needed and missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"exported detector not found: {path}")
    kind = program_kind(path)
    if kind is None:
        return _load_graph(path, device)
    if device != "cpu":
        raise ValueError(f"expected the device cpu for a {kind} file, got {device!r}")
    if not trust:
        raise ValueError(
            f"{path} is a {kind} file, which is a program and can do anything to this machine: "
            "expected an ONNX file, or --trust (trust=True) for one whose source you trust"
        )
    try:
        return _LOADERS[kind](path)
    except (RuntimeError, KeyError, OSError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is no readable {kind} file: {reason}") from error


def program_kind(path: str | os.PathLike[str]) -> str | None:
    """Kind of a file that holds a program, "TorchScript" or "torch.export"; None for other files.

    Raises:
        ValueError: if it is an archive of another kind.
    """
    if not zipfile.is_zipfile(path):
        return None
    names: list[str] = []
    damaged = (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error)
    with contextlib.suppress(*damaged), zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if "archive_format" in names:
        return "torch.export"
    if any(name.startswith("code/") for name in names):
        return "TorchScript"
    raise ValueError(f"expected an ONNX, TorchScript or torch.export file, got {os.fspath(path)}")


class OnnxFile:
    """ONNX file in ONNX Runtime, on a CPU with as many threads as torch has where it is loaded.

    Elsewhere with ``OMP_NUM_THREADS`` of them, as torch would; without it, one for each core.

    Args:
        path: of the file.
        device: of :data:`.devices.PROVIDERS`.

    Attributes:
        metadata: texts of the file.
        inputs, outputs: ONNX Runtime's descriptions, each with ``name``, ``shape`` and ``type``.

    Raises:
        ValueError: if it can't be read as ONNX, its texts are not those of a detector, or ONNX
            Runtime has no provider for the device.
    """

    def __init__(self, path: str | os.PathLike[str], device: str = "cpu") -> None:
        import onnxruntime

        self._path = os.fspath(path)
        if kind := program_kind(path):
            raise ValueError(f"expected an ONNX file, got the {kind} file {self._path}")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it logs as an error, it raises as well
        options.intra_op_num_threads = num_threads()
        providers = onnx_providers(device, onnxruntime.get_available_providers())
        with self._one_line():
            self._session = onnxruntime.InferenceSession(self._path, options, providers=providers)
            self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
            self.inputs, self.outputs = self._session.get_inputs(), self._session.get_outputs()
        try:
            check_metadata(self.metadata)
        except ValueError as error:
            raise ValueError(f"{self._path}: {error}") from error

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Outputs by their names.

        Raises:
            ValueError: if ONNX Runtime can't run the file on these inputs.
        """
        with self._one_line():
            return [np.asarray(x) for x in self._session.run(names, inputs)]

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # ONNX Runtime's own have no common base
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{self._path} can't be run in ONNX Runtime: {reason}") from error


def open_graph(path: str | os.PathLike[str], device: str = "cpu") -> OnnxFile | OpenVinoFile:
    """Open a file that is data, in the runtime of its format, which its content tells.

    Raises:
        ValueError: see :class:`OnnxFile` and :class:`.openvino.OpenVinoFile`.
        ImportError: if the runtime is missing.
    """
    return (OpenVinoFile if is_openvino(path) else OnnxFile)(path, device)


def _load_graph(path: Path, device: str) -> ExportedDetector:
    import torch

    file = open_graph(path, device)
    names = [x.name for x in file.outputs]

    def run(images: Tensor) -> list[Tensor]:
        return [torch.from_numpy(x) for x in file.run(names, {INPUT_NAME: images.numpy()})]

    format = "openvino" if isinstance(file, OpenVinoFile) else "onnx"
    return ExportedDetector(run, format, file.metadata)


def _load_torchscript(path: Path) -> ExportedDetector:
    import torch
    import torchvision  # noqa: F401  # its operators: nms, deform_conv2d, roi_align

    files = {METADATA_FILE: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        with path.open("rb") as file:
            module = torch.jit.load(file, map_location="cpu", _extra_files=files).eval()
    return ExportedDetector(module, "torchscript", metadata_from_json(path, files[METADATA_FILE]))


def _load_torch_export(path: Path) -> ExportedDetector:
    import torch
    import torchvision  # noqa: F401  # as above

    files = {METADATA_FILE: ""}
    with path.open("rb") as file:  # by name torch wants a suffix
        program = torch.export.load(file, extra_files=files)
    return ExportedDetector(
        program.module(), "torch-export", metadata_from_json(path, files[METADATA_FILE])
    )


_LOADERS = {"TorchScript": _load_torchscript, "torch.export": _load_torch_export}
