"""Export of a detector: from a config with weights, or a model, to a checked file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from detectron2.modeling import GeneralizedRCNN
from omegaconf import DictConfig
from torch import Tensor, nn

from ... import __version__
from ...export import Agreement, Signature, export_detector
from .config import config_metadata, fit_sizes, images_to_check, load_noted, read_images
from .detector import ExportableDetector, detect, has_masks, traceable_rcnn
from .two_stage import ExportableRCNN


@dataclass(frozen=True)
class Exported:
    """A file that was written, and what it was checked on.

    Attributes:
        agreement: of the file with the model.
        image_sizes: height and width of each image.
        images: what the images are, such as "images of coco_2017_val".
    """

    agreement: Agreement
    image_sizes: list[tuple[int, int]]
    images: str


def export(
    cfg: DictConfig,
    weights: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    format: str = "onnx",
    image_size: tuple[int, int] | None = None,
    batch: int | str | None = None,
    images: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    deform_conv: bool = True,
) -> Exported:
    """Write the trained detector of a config as a file, checked on images of several sizes.

    Args:
        cfg: of the training.
        weights: a checkpoint.
        path: the file to write.
        format: of :data:`sepc.export.FORMATS`.
        image_size: height and width of all images; None for any.
        batch: None, a number of images or "dynamic", see :class:`sepc.export.Signature`.
        images: files to check on; None for those of the config's test set with the most objects,
            or generated ones where it is missing.
        metadata: texts beside those of the model and the config, over which they win.
        deform_conv: see :func:`sepc.export.export_detector`.

    Raises:
        OSError: if weights or an image can't be read, or the file can't be written.
        ValueError, ExportError: see :func:`export_model`.
    """
    Signature(image_size=image_size, batch=batch)  # refuses numbers out of range
    model, note = load_noted(cfg, os.fspath(weights))
    if images:
        pixels, what = read_images(cfg, images), "the images given"
    else:
        pixels, what = images_to_check(cfg)
    smallest = smallest_image(model)
    bounded = format == "torch-export" or _needs_large_images(model)
    fitted = fit_sizes(pixels, image_size, first_above=smallest, least=smallest if bounded else 1)
    agreement = export_model(
        model,
        path,
        format=format,
        images=fitted,
        image_size=image_size,
        batch=batch,
        metadata={**config_metadata(cfg, note), **(metadata or {})},
        deform_conv=deform_conv,
    )
    return Exported(agreement, [(x.shape[-2], x.shape[-1]) for x in fitted], what)


def export_model(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    format: str,
    images: Sequence[Tensor],
    image_size: tuple[int, int] | None = None,
    batch: int | str | None = None,
    metadata: Mapping[str, str] | None = None,
    deform_conv: bool = True,
) -> Agreement:
    """Write a detector of Detectron2 as a file, see :func:`sepc.export.export_detector`.

    Args:
        model: a dense detector, or Faster, Mask or Cascade R-CNN. It stays as it is.
        images: (3, H, W) uint8, to check the file on; the first is what the exporter looks at.
        image_size, batch: see :func:`export`.
        metadata: beside that of :func:`detector_metadata`.
        deform_conv: see :func:`sepc.export.export_detector`.

    Raises:
        ValueError: for a model of another kind, or images of other sizes.
        ExportError: see :func:`sepc.export.export_detector`.
    """
    is_two_stage = isinstance(model, GeneralizedRCNN)
    signature = Signature(
        image_size=image_size,
        batch=batch,
        min_size=smallest_image(model),
        masks=has_masks(model),
    )
    if is_two_stage:
        if batch is not None:
            raise ValueError(
                f"expected one image at a time for a two-stage detector, got batch={batch}"
            )
        # a trace takes what PyTorch does; the exporters do not follow its branches on values
        script = format == "torchscript"
        exportable = traceable_rcnn(model, images[0]) if script else ExportableRCNN(model)
    else:
        exportable = ExportableDetector(model, batched=batch is not None)
    settings = inference_settings(model)
    return export_detector(
        exportable,
        path,
        format=format,
        images=images,
        reference=partial(detect, model),
        signature=signature,
        threshold=settings["score_threshold"],
        max_detections=settings["max_detections"],
        metadata={**detector_metadata(model), **(metadata or {})},
        deform_conv=deform_conv,
    )


def smallest_image(model: nn.Module) -> int:
    """Least side in pixels of an example: the coarsest level has two cells, as 1 would be fixed."""
    shapes: Any = model.backbone.output_shape()  # type: ignore[operator,union-attr]
    cells = 3 if _needs_large_images(model) else 1
    return cells * max(shape.stride for shape in shapes.values()) + 1


def _needs_large_images(model: Any) -> bool:
    """Whether the maps shrink on their way (``head_padding="valid"``), in any format."""
    trunk = getattr(getattr(model, "head", None), "trunk", None)
    return getattr(trunk, "head_padding", "same") == "valid"


def inference_settings(model: Any) -> dict[str, Any]:
    """Thresholds of the scores and of NMS, and the most detections of an image, by name."""
    if isinstance(model, GeneralizedRCNN):
        predictor: Any = model.roi_heads.box_predictor
        predictor = predictor[-1] if isinstance(predictor, nn.ModuleList) else predictor
        threshold, overlap = predictor.test_score_thresh, predictor.test_nms_thresh
        most = predictor.test_topk_per_image
    else:
        threshold, overlap = model.test_score_thresh, model.test_nms_thresh
        most = model.max_detections_per_image
    return {"score_threshold": threshold, "nms_threshold": overlap, "max_detections": most}


def detector_metadata(model: Any) -> dict[str, str]:
    """Texts about a model for whoever runs the file."""
    return {
        "sepc_version": __version__,
        "detector": type(model).__name__,
        "input_format": getattr(model, "input_format", None) or "RGB",
        "pixel_mean": ",".join(f"{x:g}" for x in model.pixel_mean.flatten().tolist()),
        "pixel_std": ",".join(f"{x:g}" for x in model.pixel_std.flatten().tolist()),
        "inclusive_boxes": str(getattr(model, "inclusive_boxes", False)).lower(),
        **{name: str(value) for name, value in inference_settings(model).items()},
    }
