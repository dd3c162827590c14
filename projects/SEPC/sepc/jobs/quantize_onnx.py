"""Write an exported ONNX file, or one of OpenVINO, in a smaller precision."""

import argparse

import torch
from torch import Tensor

from ..export import ExportedDetector, ExportError, load_exported
from ..export.openvino import size_of
from ..export.precision import reduce_precision
from ..export.preprocess import prepare_image, read_image
from ..program import exit_status


def prepare(file: str, exported: ExportedDetector) -> Tensor:
    """Read an image as the file takes it, (3, H, W) uint8; see read_image for what it raises."""
    return torch.from_numpy(prepare_image(read_image(file), exported.metadata).pixels)


def run(args: argparse.Namespace) -> None:
    exported = load_exported(args.source)
    images = [prepare(file, exported) for file in args.images[: args.number]]
    reduce_precision(args.source, args.output, args.precision, calibration=images)
    before, after = (size_of(path) / 1e6 for path in (args.source, args.output))
    print(f"{args.output}: {after:.1f} MB, from {before:.1f} MB")


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ImportError, ExportError)
