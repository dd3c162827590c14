"""Export of detectors to files, which are checked before they get their names."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import atomic_write
from ..score_threshold import SHOWN_SCORE
from .check import Agreement, Detect, check_detections, import_package
from .exported import load_exported
from .onnx import write_onnx
from .openvino import atomic_write_pair, write_openvino
from .signature import ANY, FORMAT_VERSION, FORMATS, Signature
from .torch_formats import capture, trace, write_torch_export, write_torchscript
from .without_deform_conv import without_deform_conv


def export_detector(
    detector: nn.Module,
    path: str | os.PathLike[str],
    *,
    format: str,
    images: Sequence[Tensor],
    reference: Detect,
    signature: Signature | None = None,
    threshold: float | None = None,
    max_detections: int | None = None,
    metadata: Mapping[str, str] | None = None,
    deform_conv: bool = True,
) -> Agreement:
    """Write a whole detector, from pixels to detections, as a file.

    Names, shapes and types are those of :mod:`.signature`, whatever the format. An ONNX file uses
    standard operators only (among them DeformConv and NonMaxSuppression) and runs in ONNX Runtime
    without anything added. A file gets its name only after it has found in all ``images`` what
    ``reference`` finds; on failure nothing is left behind.

    Args:
        detector: images to outputs as ``signature`` says, such as
            :class:`sepc.d2.export.detector.ExportableDetector`; in eval mode.
        format: of :data:`FORMATS`. "openvino" is two files: ``path``, which ends with .xml, and
            one with the weights beside it, which ends with .bin.
        images: (3, H, W) uint8, on the CPU; the first is what the exporter looks at, so that for
            any size it should be larger than the smallest one. Where the file takes a batch, each
            is run together with its mirror images.
        reference: the original detector, of one image.
        signature: default: one image of the size of the first one. Its ``min_size`` is that of the
            file for "torch-export" alone; the others need it no smaller for the first image only.
        threshold, max_detections: of the detector, see :func:`.check.check_detections`.
        metadata: kept in the file as text, such as class names.
        deform_conv: False writes gather and matrix product in place of ONNX's DeformConv.

    Returns:
        how well the file agrees with ``reference``.

    Raises:
        ValueError: for an unknown format, no images, images that do not fit the signature, a name
            that is not the format's, or ``deform_conv=False`` for another format than ONNX.
        ExportError: if a package is missing, the detector can't be expressed in the format, or the
            file finds something else than ``reference``.
        OSError: if ``path`` can't be written.
    """
    if format not in FORMATS:
        raise ValueError(f"expected a format of {list(FORMATS)}, got {format!r}")
    if not images:
        raise ValueError("expected an image at least to check the file on, got none")
    if not deform_conv and format != "onnx":
        raise ValueError(f"without deformable convolution: expected the format onnx, got {format}")
    signature = signature or Signature(image_size=(images[0].shape[-2], images[0].shape[-1]))
    # the other formats take any size, whatever the exporter assumes
    taken = signature if format == "torch-export" else replace(signature, min_size=1)
    texts = {"format_version": str(FORMAT_VERSION), "precision": "float32"}
    texts["shown_score"] = f"{SHOWN_SCORE:g}"
    texts |= {**(metadata or {}), **taken.as_text()}
    example = images[0]
    if signature.batch is not None:  # two for any number: the exporter takes 1 for a constant
        example = torch.stack([example] * (2 if signature.batch == ANY else int(signature.batch)))
    example = example.contiguous()  # the steps of a part of an image would be taken for its size
    signature.check(example)
    if format == "onnx":
        for package in ("onnx", "onnxruntime", "onnxscript"):
            import_package(package)
    write = atomic_write_pair if format == "openvino" else atomic_write
    with write(path) as partial:
        _write(detector, partial, format, example, signature, texts, deform_conv)
        exported = load_exported(partial, trust=True)  # written just now
        return check_detections(
            exported.detect_batch,
            reference,
            [_batch(image, i, signature) for i, image in enumerate(images)],
            threshold=threshold,
            max_detections=max_detections,
        )


def export_onnx(
    detector: nn.Module,
    path: str | os.PathLike[str],
    *,
    image: Tensor,
    reference: Detect,
    metadata: Mapping[str, str] | None = None,
) -> Agreement:
    """Write a detector as ONNX for one image of this size, see :func:`export_detector`."""
    return export_detector(
        detector, path, format="onnx", images=[image], reference=reference, metadata=metadata
    )


def _batch(image: Tensor, index: int, signature: Signature) -> Tensor:
    """Batch of an image and its mirror images, as many as the file takes; of any number, 1 to 4."""
    mirrored = [image, image.flip(-1), image.flip(-2), image.flip(-1, -2)]
    number = 1 + index % 4 if signature.batch == ANY else int(signature.batch or 1)
    return torch.stack([mirrored[i % 4] for i in range(number)])


def _write(
    detector: nn.Module,
    path: Path,
    format: str,
    example: Tensor,
    signature: Signature,
    metadata: Mapping[str, str],
    deform_conv: bool,
) -> None:
    if format == "torchscript":
        write_torchscript(trace(detector, example), path, metadata)
        return
    # ONNX knows one order of the memory, and with it sizes are followed in half the time.
    plain = copy.deepcopy(detector).to(memory_format=torch.contiguous_format)
    if format == "onnx":
        program = capture(plain, example, signature, format="ONNX")
        write_onnx(
            program if deform_conv else without_deform_conv(program), path, signature, metadata
        )
    elif format == "openvino":
        program = capture(plain, example, signature, format="OpenVINO")
        write_openvino(program, path, signature, metadata)
    else:
        write_torch_export(capture(plain, example, signature), path, metadata)
