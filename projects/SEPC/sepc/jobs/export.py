"""Write a trained detector as one file, from pixels to detections, and check it."""

import argparse
import warnings

from ..d2.engine import load_config
from ..d2.export import export
from ..export import ExportError
from ..export.openvino import size_of
from ..program import exit_status


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


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ExportError)
