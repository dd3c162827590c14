"""Detectors to ONNX, checked in ONNX Runtime before the file gets its name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import written_whole
from .check import Agreement, ExportError, compare_detections

OPSET = 20
OUTPUT_NAMES = ("boxes", "scores", "classes")

Detect = Callable[[Tensor], Sequence[Tensor]]


def export_onnx(
    detector: nn.Module,
    path: str | os.PathLike[str],
    *,
    image: Tensor,
    reference: Detect,
    metadata: Mapping[str, str] | None = None,
) -> Agreement:
    """Write a whole detector, from pixels to detections, as an ONNX file of opset 20.

    The file has one input, ``image`` as below, and three outputs: ``boxes`` (D, 4) float32 in
    pixels of the image, ``scores`` (D,) float32 and ``classes`` (D,) int64. It uses standard
    operators only (among them DeformConv and NonMaxSuppression) and runs in ONNX Runtime without
    anything added. It gets its name only after ONNX Runtime has found in ``image`` what
    ``reference`` finds; on failure nothing is left behind.

    Args:
        detector: ``image`` to (boxes, scores, classes), such as
            :class:`sepc.tv.ExportableRetinaNet` or :class:`sepc.d2.export.ExportableDetector`;
            in eval mode.
        image: (3, H, W), on the CPU. Its size and type are those of the file.
        reference: the original detector, with the same arguments and results.
        metadata: kept in the file as text, such as class names.

    Returns:
        how well ONNX Runtime agrees with PyTorch.

    Raises:
        ExportError: if a package is missing, the detector can't be expressed in standard operators,
            or the file finds something else than ``reference``.
        OSError: if ``path`` can't be written.
    """
    _require_packages()
    with written_whole(path) as partial:
        _write(detector, partial, image, dict(metadata or {}))
        with torch.no_grad():
            expected = [x.cpu() for x in reference(image)]
        agreement = compare_detections(expected, run_onnx(partial, image))
    return agreement


def run_onnx(path: str | os.PathLike[str], image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores and classes that an exported detector finds, in ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        os.fspath(path), options, providers=["CPUExecutionProvider"]
    )
    boxes, scores, classes = session.run(list(OUTPUT_NAMES), {"image": image.numpy()})
    return torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(classes)


def _write(detector: nn.Module, path: Path, image: Tensor, metadata: dict[str, str]) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about the exporter's own inner life
        try:
            program = torch.onnx.export(
                detector,
                (image,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["image"],
                output_names=list(OUTPUT_NAMES),
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = error.__cause__ or error
            raise ExportError(f"can't export to ONNX: {reason}") from error
    if program is None:
        raise ExportError("can't export to ONNX: the exporter returned no model")
    foreign = {f"{node.domain}::{node.op_type}" for node in program.model.graph if node.domain}
    if foreign:
        raise ExportError(f"expected standard operators only, got {sorted(foreign)}")
    program.model.metadata_props.update(metadata)
    program.save(os.fspath(path))


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(
            f"the export to ONNX needs the package {error.name}: pip install 'sepc[export]'"
        ) from error
