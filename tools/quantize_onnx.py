#!/usr/bin/env python
"""Write an exported ONNX file, or one of OpenVINO, in a smaller precision.

    python tools/quantize_onnx.py model.onnx model.float16.onnx --precision float16
    python tools/quantize_onnx.py model.onnx model.int8.onnx --precision int8-static \\
        --images datasets/shapes/train2017/*.jpg

Backbone and head are converted; boxes are decoded in float32. An OpenVINO file (.xml) goes to
int8-static alone, by NNCF. int8-static takes the ranges of the
maps from --images: some dozens of the training data. What a precision costs is measured by
tools/evaluate_exported.py, and for all of them at once by benchmarks/precisions.py.
"""

import argparse
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from sepc.export import ExportedDetector, ExportError, load_exported
from sepc.export.openvino import size_of
from sepc.export.precision import PRECISIONS, reduce_precision
from sepc.export.preprocess import prepare_image, read_image
from sepc.program import exit_status


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="IN", help="written by tools/export_model.py")
    parser.add_argument("output", metavar="OUT", help="the file to write")
    parser.add_argument("--precision", choices=PRECISIONS, required=True)
    parser.add_argument("--images", nargs="+", default=[], metavar="FILE", help="to calibrate on")
    parser.add_argument("--number", type=int, default=64, help="of the images at most (64)")
    return parser.parse_args(argv)


def prepare(file: str, exported: ExportedDetector) -> Tensor:
    """Read an image as the file takes it, (3, H, W) uint8; see read_image for what it raises."""
    return torch.from_numpy(prepare_image(read_image(file), exported.metadata).pixels)


def run(args: argparse.Namespace) -> None:
    exported = load_exported(args.source)
    images = [prepare(file, exported) for file in args.images[: args.number]]
    reduce_precision(args.source, args.output, args.precision, calibration=images)
    before, after = (size_of(path) / 1e6 for path in (args.source, args.output))
    print(f"{args.output}: {after:.1f} MB, from {before:.1f} MB")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ImportError, ExportError)


if __name__ == "__main__":
    sys.exit(main())
