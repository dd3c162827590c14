"""Detectron2's dense detectors in a form that can be exported."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import Boxes, ImageList
from torch import Tensor, nn

from ..export.decode import select_detections, top_candidates
from ..inference import optimize_for_inference


class ExportableDetector(nn.Module):
    """A ``RetinaNet`` of Detectron2 as tensors in, tensors out, for ``torch.export``.

    Everything but padding and the last step is the model's own; these do the same with shapes that
    an exporter can follow (see :mod:`sepc.export.decode`), and with plain tensors in place of
    ``Instances``, whose boxes look at the number of detections.
    """

    def __init__(self, model: DenseDetector) -> None:
        """
        Args:
            model: copied, the original stays as it is.

        Raises:
            ValueError: for a model of another kind.
        """
        super().__init__()
        if not hasattr(model, "inference_single_image"):
            raise ValueError(
                f"expected a dense detector such as RetinaNet, got {type(model).__name__}"
            )
        exportable: Any = optimize_for_inference(copy.deepcopy(model).eval())
        exportable.inference_single_image = self._detections
        self.model: Any = exportable

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Detections of one image, the highest score first.

        Args:
            image: (3, H, W) in the model's ``input_format``, values from 0 to 255.

        Returns:
            boxes (D, 4) in pixels of the image, scores (D,) and classes (D,).
        """
        model = self.model
        images = self._preprocess(image)
        features = model.backbone(images.tensor)
        features = [features[name] for name in model.head_in_features]
        return model.forward_inference(images, features, model.head(features))[0]

    def _preprocess(self, image: Tensor) -> ImageList:
        """The model's own computes the padding with tensors, which no exporter follows."""
        model = self.model
        height, width = image.shape[-2:]
        constraints = model.backbone.padding_constraints
        divisor = constraints.get("size_divisibility", model.backbone.size_divisibility) or 1
        square = constraints.get("square_size", 0)
        bottom = (square or -(-height // divisor) * divisor) - height
        right = (square or -(-width // divisor) * divisor) - width
        normalized = (image - model.pixel_mean) / model.pixel_std
        return ImageList(F.pad(normalized, (0, right, 0, bottom))[None], [(height, width)])

    def _detections(
        self,
        anchors: list[Boxes],
        scores: list[Tensor],
        deltas: list[Tensor],
        image_size: tuple[int, int],
    ) -> tuple[Tensor, Tensor, Tensor]:
        model = self.model
        parts = []
        for anchors_l, scores_l, deltas_l in zip(anchors, scores, deltas, strict=True):
            best, positions, classes = top_candidates(scores_l, model.test_topk_candidates)
            decoded = model.box2box_transform.apply_deltas(
                deltas_l[positions], anchors_l.tensor[positions]
            )
            parts.append((decoded, best, classes))
        boxes, best, classes = (torch.cat(part) for part in zip(*parts, strict=True))
        kept = select_detections(
            boxes,
            best,
            classes,
            score_thresh=model.test_score_thresh,
            nms_thresh=model.test_nms_thresh,
            max_detections=model.max_detections_per_image,
        )
        height, width = image_size
        x1, y1, x2, y2 = boxes[kept].unbind(dim=1)
        x1, x2 = x1.clamp(0, width), x2.clamp(0, width)
        y1, y2 = y1.clamp(0, height), y2.clamp(0, height)
        visible = torch.nonzero((x2 > x1) & (y2 > y1)).squeeze(1)
        clipped = torch.stack((x1, y1, x2, y2), dim=1)
        return clipped[visible], best[kept][visible], classes[kept][visible]


def detect(model: nn.Module, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the model itself finds in one image, in the form of :class:`ExportableDetector`."""
    was_training = model.training
    try:
        with torch.no_grad():
            instances = model.eval()([{"image": image}])[0]["instances"]
    finally:
        model.train(was_training)
    return instances.pred_boxes.tensor, instances.scores, instances.pred_classes
