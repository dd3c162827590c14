"""Evaluation of exported files by Detectron2's tools."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import (
    DatasetMapper,
    MetadataCatalog,
    build_detection_test_loader,
    get_detection_dataset_dicts,
)
from detectron2.data import transforms as T
from detectron2.evaluation import inference_on_dataset
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from ...export import ExportedDetector
from ...export.preprocess import pad, resized_size
from ..coco_evaluator import PooledCOCOEvaluator
from ..datasets import check_registered
from ..mmdet1 import undo_inclusive


class ExportedModel(nn.Module):
    """A file with Detectron2's interface of a detector, for inference only.

    Args:
        exported: the file.
        num_classes: of the data; None for any.
    """

    def __init__(self, exported: ExportedDetector, *, num_classes: int | None = None) -> None:
        super().__init__()
        self.exported = exported
        self.num_classes = num_classes

    def forward(self, inputs: Sequence[dict[str, Any]]) -> list[dict[str, Instances]]:
        """Detections in dicts with ``image`` and perhaps ``height`` and ``width``, as of any model.

        Images that are smaller than the file takes are padded. ValueError for a class that the
        data do not have.
        """
        return [{"instances": self._instances(x)} for x in inputs]

    def _instances(self, given: dict[str, Any]) -> Instances:
        image: Tensor = given["image"].cpu()
        height, width = int(image.shape[-2]), int(image.shape[-1])
        padded = torch.from_numpy(pad(image.numpy(), self.exported.metadata))
        boxes, scores, classes, *masks = self.exported.detect(padded)
        if self.num_classes is not None and (classes >= self.num_classes).any():
            raise ValueError(
                f"expected a file for the {self.num_classes} classes of the data, it finds class "
                f"{int(classes.max())}, counted from 0"
            )
        found = Instances((height, width))
        found.pred_boxes, found.scores, found.pred_classes = Boxes(boxes), scores, classes
        if masks:
            found.pred_masks = masks[0]
        given_height, given_width = given.get("height", height), given.get("width", width)
        scaled = detector_postprocess(found, given_height, given_width)
        if self.exported.metadata.get("inclusive_boxes") == "true":
            scale = width / given_width, height / given_height
            undo_inclusive(scaled.pred_boxes.tensor, scale)
        return scaled


class ResizeForFile(T.Augmentation):
    """Resizing of an image to the size at which a file sees it, as its texts say."""

    def __init__(self, metadata: dict[str, str]) -> None:
        super().__init__()
        self.metadata = metadata

    def get_transform(self, image: np.ndarray) -> T.Transform:
        """Detectron2's transform of an image (H, W, 3)."""
        height, width = image.shape[:2]
        size = resized_size(height, width, self.metadata)
        return T.ResizeTransform(height, width, *size)


def evaluate_on(exported: ExportedDetector, dataset: str, *, num_workers: int = 0) -> dict:
    """COCO's metrics of a file on a registered data set; images are resized as its texts say.

    Raises:
        FileNotFoundError, ValueError: see :func:`.datasets.check_registered`.
    """
    check_registered(dataset, evaluation=True)
    mapper = DatasetMapper(
        is_train=False,
        augmentations=[ResizeForFile(exported.metadata)],
        image_format=exported.metadata.get("input_format", "RGB"),
    )
    loader = build_detection_test_loader(
        get_detection_dataset_dicts(dataset, filter_empty=False),
        mapper=mapper,
        num_workers=num_workers,
    )
    model = ExportedModel(exported, num_classes=number_of_classes(dataset))
    return inference_on_dataset(model, loader, PooledCOCOEvaluator(dataset))


def number_of_classes(dataset: str) -> int | None:
    """Number of classes of a registered data set that has been read; None if it names none."""
    return len(MetadataCatalog.get(dataset).get("thing_classes", ())) or None
