#!/usr/bin/env python
"""Measure what each precision costs: export a detector, reduce the files, evaluate all forms.

    python -m benchmarks.precisions --config-file FILE --weights model_final.pth output/precision

Prints a table with COCO's AP on the config's test set and the size of the file. PyTorch itself is
evaluated in float32 and, by autocast, in bfloat16. int8-static is calibrated on images of the
training set, ONNX by ONNX Runtime and OpenVINO, where it is installed, by NNCF. Overrides of the
config, key=value, come last.
"""

import argparse
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from detectron2.config import instantiate
from omegaconf import DictConfig
from torch import nn

from sepc import optimize_for_inference
from sepc.d2.datasets import check_registered
from sepc.d2.engine import dataset_names, evaluate, load_config
from sepc.d2.export import ExportedModel, export, load_model, read_images
from sepc.export import ExportError, load_exported
from sepc.export.openvino import size_of
from sepc.export.precision import PRECISIONS_OF, reduce_precision
from sepc.program import exit_status

CALIBRATION_IMAGES = 64
#: by format: its name, its files' suffix, and the package that it needs last
FILES = {"onnx": ("ONNX", ".onnx", "onnxscript"), "openvino": ("OpenVINO", ".xml", "nncf")}


class InBfloat16(nn.Module):
    """A detector under autocast on the CPU."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: list) -> list:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.model(inputs)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the training")
    parser.add_argument("--weights", required=True, metavar="FILE", help="a checkpoint")
    parser.add_argument("output", type=Path, metavar="FOLDER", help="where the files go")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse_intermixed_args(argv)


def rows(args: argparse.Namespace, cfg: DictConfig) -> Iterator[tuple[str, str, float, float]]:
    """Rows by precision: its name, the size of the file, AP and AP50 in percent."""

    def row(name: str, model: nn.Module, file: Path | None) -> tuple[str, str, float, float]:
        metrics = evaluate(cfg, model)["bbox"]
        size = f"{size_of(file) / 1e6:.1f} MB" if file else "-"
        return name, size, metrics["AP"], metrics["AP50"]

    folded = optimize_for_inference(load_model(cfg, args.weights))
    yield row("float32, PyTorch", folded, None)
    yield row("bfloat16, PyTorch", InBfloat16(folded), None)

    train = instantiate(cfg.dataloader.train.dataset)[:CALIBRATION_IMAGES]
    calibration = read_images(cfg, [x["file_name"] for x in train])
    for format, (label, suffix, package) in FILES.items():
        if importlib.util.find_spec(package) is None:
            print(f"left out: {label}, as {package} is not installed")
            continue
        source = args.output / f"model{suffix}"
        export(cfg, args.weights, source, format=format)
        yield row(f"float32, {label}", ExportedModel(load_exported(source)), source)
        for precision in PRECISIONS_OF[format]:
            file = args.output / f"model.{precision}{suffix}"
            reduce_precision(source, file, precision, calibration=calibration)
            yield row(f"{precision}, {label}", ExportedModel(load_exported(file)), file)


def run(args: argparse.Namespace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about each other
        cfg = load_config(args.config_file, args.opts)
        check_registered(dataset_names(cfg.dataloader.test), evaluation=True)
        check_registered(dataset_names(cfg.dataloader.train))
        table = []
        for name, size, ap, ap50 in rows(args, cfg):
            print(f"{name}: AP {ap:.2f}", flush=True)
            table.append(f"| {name} | {size} | {ap:.1f} | {ap50:.1f} |")
    print("\n| precision | file | AP | AP50 |\n| --- | --- | --- | --- |")
    print("\n".join(table))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ExportError)


if __name__ == "__main__":
    sys.exit(main())
