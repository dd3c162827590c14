"""Whole detectors, from pixels to boxes, in the forms that :mod:`.runtimes` times."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from sepc import optimize_for_inference
from sepc.d2.engine import evaluate, load_config
from sepc.d2.export import ExportedModel, export_model, load_model, read_images
from sepc.d2.export.config import fit_sizes, images_to_check, random_image
from sepc.d2.export.detector import ExportableDetector
from sepc.d2.export.job import detector_metadata, smallest_image
from sepc.export import ExportedDetector, Signature, load_exported
from sepc.export.openvino import OpenVinoFile
from sepc.export.precision import reduce_precision

from . import detectors
from .precisions import CALIBRATION_IMAGES, InBfloat16
from .runtime_trunks import Form, compiled_form

AP = Callable[[nn.Module], float]


def random_forms(variant: str, args: argparse.Namespace, folder: Path) -> list[Form]:
    """Forms of COCO's RetinaNet with the head of a variant, and random weights."""
    cfg = detectors.load("retinanet", None if variant == "plain" else variant)
    if args.smoke:
        cfg.model.backbone.out_channels = args.channels
    model = detectors.build(cfg, "cpu")
    image = random_image(*args.size, seed=0)
    forms = [Form(detectors.BASE, _eager(model, image))] if variant == "plain" else []
    return forms + _forms(
        model, folder / variant, args, [image], [image], image_size=tuple(args.size)
    )


def trained_forms(config: str, weights: str, args: argparse.Namespace, folder: Path) -> list[Form]:
    """Forms of a trained detector, each with its AP on the config's test set."""
    cfg = load_config(config, [])
    model = load_model(cfg, weights)
    train = instantiate(cfg.dataloader.train.dataset)[:CALIBRATION_IMAGES]
    calibration = read_images(cfg, [x["file_name"] for x in train])
    images, _ = images_to_check(cfg)
    smallest = smallest_image(model)
    fitted = fit_sizes(images, None, first_above=smallest, least=1)
    return _forms(model, folder / Path(weights).stem, args, fitted, calibration, cfg=cfg)


def _forms(
    model: nn.Module,
    folder: Path,
    args: argparse.Namespace,
    images: Sequence[Tensor],
    calibration: Sequence[Tensor],
    *,
    image_size: tuple[int, int] | None = None,
    cfg: DictConfig | None = None,
) -> list[Form]:
    """All forms of a detector.

    Args:
        images: to check the files on.
        calibration: images for int8.
        image_size: of the files; None for any.
        cfg: to tell the AP by; None to tell none.
    """
    image = random_image(*args.size, seed=0)
    forms: list[Form] = []

    def add(name: str, run: nn.Module) -> None:
        forms.append(Form(name, _eager(run, image), _ap(cfg, run)))

    folded = optimize_for_inference(model)
    if "eager" in args.only:
        add("eager float32", folded)
        add("eager bfloat16", InBfloat16(folded))
    if "compile" in args.only:
        exportable = ExportableDetector(model).eval()
        for form in compiled_form(exportable, [image]):
            signature = Signature(image_size=image_size, min_size=smallest_image(model))
            texts = {**detector_metadata(model), **signature.as_text()}
            run = torch.compile(exportable)
            add(form.name, ExportedModel(ExportedDetector(run, "torch.compile", texts)))

    def write(format: str, name: str) -> Path:
        path = folder / name
        export_model(model, path, format=format, images=images, image_size=image_size)
        reduced = path.with_stem(f"{path.stem}.int8")
        reduce_precision(path, reduced, "int8-static", calibration=calibration)
        return path

    if "onnxruntime" in args.only:
        path = write("onnx", "model.onnx")
        add("ONNX Runtime float32", ExportedModel(load_exported(path)))
        add("ONNX Runtime int8", ExportedModel(load_exported(path.with_stem("model.int8"))))
    if "openvino" in args.only:
        path = write("openvino", "model.xml")
        add("OpenVINO float32", ExportedModel(load_exported(path)))
        add("OpenVINO bfloat16", ExportedModel(_in_bfloat16(path)))
        add("OpenVINO int8", ExportedModel(load_exported(path.with_stem("model.int8"))))
    return forms


def _in_bfloat16(path: Path) -> ExportedDetector:
    file = OpenVinoFile(path, precision="bfloat16")
    names = [x.name for x in file.outputs]

    def run(images: Tensor) -> list[Tensor]:
        return [torch.from_numpy(x) for x in file.run(names, {file.inputs[0].name: images.numpy()})]

    return ExportedDetector(run, "openvino", file.metadata)


def _eager(model: Any, image: Tensor) -> Callable[[], object]:
    height, width = image.shape[-2:]
    inputs = [{"image": image, "height": height, "width": width}]

    @torch.no_grad()
    def step() -> object:
        return model(inputs)

    return step


def _ap(cfg: DictConfig | None, model: nn.Module) -> Callable[[], float] | None:
    return None if cfg is None else lambda: float(evaluate(cfg, model)["bbox"]["AP"])
