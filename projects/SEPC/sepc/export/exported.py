"""Exported detectors of any format, loaded and run."""

import json
import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision  # noqa: F401  # its operators: nms, deform_conv2d, roi_align
from torch import Tensor

from .signature import ANY, INPUT_NAME, OWNERS, Signature, check_metadata, split_names

METADATA_FILE = "sepc.json"

Run = Callable[[Tensor], Sequence[Tensor]]


class ExportedDetector:
    """Detector from a file that :func:`.export_detector` has written, on the CPU.

    Attributes:
        format: of :data:`.signature.FORMATS`.
        metadata: texts of the file.
        signature: what it takes.
        class_names: K names; empty if the file has none.
    """

    def __init__(self, run: Run, format: str, metadata: dict[str, str]) -> None:
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
            ValueError: for images that the file does not take.
        """
        self.signature.check(images)
        with torch.no_grad():
            outputs = self._run(images)
        return dict(zip(self.signature.output_names, outputs, strict=True))

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


def load_exported(path: str | os.PathLike[str]) -> ExportedDetector:
    """Read a file of any of the formats, which its content tells.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of them.
        ImportError: if ONNX Runtime is needed and missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"exported detector not found: {path}")
    if not zipfile.is_zipfile(path):
        return _load_onnx(path)
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if "archive_format" in names:
        return _load_torch_export(path)
    if any(name.startswith("code/") for name in names):
        return _load_torchscript(path)
    raise ValueError(f"expected an ONNX, TorchScript or torch.export file, got {path}")


def onnx_session(path: str | os.PathLike[str]) -> Any:
    """Session of ONNX Runtime on a file, on the CPU with as many threads as torch has.

    Raises:
        ValueError: if it can't be read as ONNX.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own have no common base
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} can't be run in ONNX Runtime: {reason}") from error


def _load_onnx(path: Path) -> ExportedDetector:
    session = onnx_session(path)
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    names = [x.name for x in session.get_outputs()]

    def run(images: Tensor) -> list[Tensor]:
        outputs = session.run(names, {INPUT_NAME: images.numpy()})
        return [torch.from_numpy(x) for x in outputs]

    return ExportedDetector(run, "onnx", metadata)


def _load_torchscript(path: Path) -> ExportedDetector:
    files = {METADATA_FILE: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        with path.open("rb") as file:
            module = torch.jit.load(file, map_location="cpu", _extra_files=files).eval()
    return ExportedDetector(module, "torchscript", _parsed(path, files[METADATA_FILE]))


def _load_torch_export(path: Path) -> ExportedDetector:
    files = {METADATA_FILE: ""}
    with path.open("rb") as file:  # by name torch wants a suffix
        program = torch.export.load(file, extra_files=files)
    return ExportedDetector(program.module(), "torch-export", _parsed(path, files[METADATA_FILE]))


def _parsed(path: Path, text: str | bytes) -> dict[str, str]:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} was not written by sepc: it has no metadata") from error
