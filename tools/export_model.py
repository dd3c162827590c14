#!/usr/bin/env python
"""Write a trained detector as one file, from pixels to detections, and check it.

    python tools/export_model.py --config-file FILE --weights model_final.pth model.onnx

The file takes images of any size unless --image-size fixes one. It gets its name only after it has
found what PyTorch finds, in several images: boxes within 0.01 pixels, scores within 1e-4, the same
classes. Overrides of the config, key=value, come last. See docs/export.md.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence

from sepc.d2.engine import load_config
from sepc.d2.export import export
from sepc.export import FORMATS, ExportError
from sepc.export.openvino import size_of
from sepc.program import exit_status


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the training")
    parser.add_argument("--weights", required=True, metavar="FILE", help="a checkpoint")
    parser.add_argument("--format", choices=FORMATS, default="onnx")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--dynamic", action="store_true", help="images of any size (the default)")
    sizes.add_argument("--image-size", nargs=2, type=int, metavar=("H", "W"), help="of this one")
    parser.add_argument(
        "--batch",
        type=_batch,
        metavar="N",
        help='take this many images at a time, or any number with "dynamic"; default: one image',
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="FILE",
        help="to check the file on; default: those of the config's test set with the most objects",
    )
    parser.add_argument(
        "--no-deform-conv",
        action="store_true",
        help="ONNX without DeformConv, for runtimes that lack it: gather and matrix product",
    )
    parser.add_argument(
        "--dump-ir", metavar="FOLDER", help="write the code of a TorchScript file, to read it"
    )
    parser.add_argument("output", metavar="OUT", help="the file to write")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse_intermixed_args(argv)


def _batch(text: str) -> int | str:
    return text if text == "dynamic" else int(text)


def run(args: argparse.Namespace) -> None:
    if args.dump_ir and args.format != "torchscript":
        raise ValueError(f"--dump-ir: expected --format torchscript, got {args.format}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about each other
        cfg = load_config(args.config_file, args.opts)
    print(f"exporting to {args.format}, about a minute", flush=True)
    exported = export(
        cfg,
        args.weights,
        args.output,
        format=args.format,
        image_size=tuple(args.image_size) if args.image_size else None,
        batch=args.batch,
        images=args.images,
        deform_conv=not args.no_deform_conv,
    )
    sizes = ", ".join(f"{height} x {width}" for height, width in exported.image_sizes)
    megabytes = size_of(args.output) / 1e6
    print(f"checked on {exported.images}, of {sizes} pixels")
    print(f"The file finds what PyTorch finds: {exported.agreement}")
    if not exported.agreement.detections:
        print("But neither has found anything there: --images takes files that show objects")
    if args.dump_ir:
        _dump(args.output, args.dump_ir)
    print(f"{args.output}: {megabytes:.1f} MB")


def _dump(path: str, folder: str) -> None:
    import torch
    from detectron2.export import dump_torchscript_IR

    dump_torchscript_IR(torch.jit.load(path), folder)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ExportError)


if __name__ == "__main__":
    sys.exit(main())
