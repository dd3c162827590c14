"""An exported file in the place of a model of Detectron2, so that its tools can run it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.data import DatasetMapper, build_detection_test_loader, get_detection_dataset_dicts
from detectron2.data import transforms as T
from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from ...export import ExportedDetector
from ..datasets import check_registered


class ExportedModel(nn.Module):
    """Detectron2's interface of a detector, inference only, on a file."""

    def __init__(self, exported: ExportedDetector) -> None:
        super().__init__()
        self.exported = exported

    def forward(self, inputs: Sequence[dict[str, Any]]) -> list[dict[str, Instances]]:
        """As the models of Detectron2: dicts with ``image``, and perhaps ``height``, ``width``."""
        return [{"instances": self._instances(x)} for x in inputs]

    def _instances(self, given: dict[str, Any]) -> Instances:
        image: Tensor = given["image"].cpu()
        height, width = int(image.shape[-2]), int(image.shape[-1])
        boxes, scores, classes, *masks = self.exported.detect(image)
        found = Instances((height, width))
        found.pred_boxes, found.scores, found.pred_classes = Boxes(boxes), scores, classes
        if masks:
            found.pred_masks = masks[0]
        given_size = given.get("height", height), given.get("width", width)
        scaled = detector_postprocess(found, *given_size)
        if self.exported.metadata.get("inclusive_boxes") == "true":  # see InclusiveBoxes
            far = scaled.pred_boxes.tensor[:, 2:]
            far += far.new_tensor([1 - given_size[1] / width, 1 - given_size[0] / height])
        return scaled


def evaluate_on(exported: ExportedDetector, dataset: str, *, num_workers: int = 0) -> dict:
    """COCO's metrics of a file on a registered data set; images are resized as its texts say.

    Raises:
        FileNotFoundError, ValueError: see :func:`.datasets.check_registered`.
    """
    check_registered(dataset, evaluation=True)
    mapper = DatasetMapper(
        is_train=False,
        augmentations=resizing(exported.metadata),
        image_format=exported.metadata.get("input_format", "RGB"),
    )
    loader = build_detection_test_loader(
        get_detection_dataset_dicts(dataset, filter_empty=False),
        mapper=mapper,
        num_workers=num_workers,
    )
    return inference_on_dataset(ExportedModel(exported), loader, COCOEvaluator(dataset))


def resizing(metadata: dict[str, str]) -> list[T.Augmentation]:
    """What brings an image to the size that the file works at: at most one step."""
    short = metadata.get("resize_short_edge")
    if short is None:
        return []
    return [T.ResizeShortestEdge(int(short), int(metadata["resize_max"]))]
