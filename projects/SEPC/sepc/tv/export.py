"""torchvision's detectors as tensors in, tensors out, for exporters."""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.ops.boxes import clip_boxes_to_image

from ..export.decode import select_detections, top_candidates
from ..inference import optimize_for_inference


class ExportableDetector(nn.Module):
    """A RetinaNet or FCOS of torchvision in tensors, with shapes that an exporter can follow.

    The detections are those of the model: :mod:`sepc.export.decode` says why.

    Args:
        model: copied, the original stays as it is; the ATSS of this package is an FCOS.

    Raises:
        TypeError: for a model of another kind.
    """

    def __init__(self, model: RetinaNet | FCOS) -> None:
        super().__init__()
        if not isinstance(model, RetinaNet | FCOS):
            raise TypeError(f"expected torchvision's RetinaNet or FCOS, got {type(model).__name__}")
        exportable: Any = optimize_for_inference(model)
        exportable.postprocess_detections = self._postprocess
        self.model: Any = exportable

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 RGB (3, H, W) -> boxes (D, 4), scores (D), classes (D), D detections."""
        detections = self.model([image.float() / 255])[0]
        return detections["boxes"], detections["scores"], detections["labels"]

    def _postprocess(
        self,
        head_outputs: dict[str, list[Tensor]],
        anchors: list[list[Tensor]],
        image_shapes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        model = self.model
        # RetinaNet's coder decodes the boxes of one image by another name
        decode = getattr(model.box_coder, "decode_single", model.box_coder.decode)
        boxes, scores, classes = [], [], []
        for level, anchors_of_level in enumerate(anchors[0]):
            predicted = {name: maps[level][0] for name, maps in head_outputs.items()}
            all_scores = predicted["cls_logits"].sigmoid()
            if "bbox_ctrness" in predicted:
                all_scores = (all_scores * predicted["bbox_ctrness"].sigmoid()).sqrt()
            best, positions, labels = top_candidates(all_scores, model.topk_candidates)
            scores.append(best)
            classes.append(labels)
            boxes.append(
                decode(predicted["bbox_regression"][positions], anchors_of_level[positions])
            )
        image_boxes = clip_boxes_to_image(torch.cat(boxes), image_shapes[0])
        image_scores, image_classes = torch.cat(scores), torch.cat(classes)
        _, kept = select_detections(
            image_boxes[None],
            image_scores[None],
            image_classes[None],
            num_classes=all_scores.shape[-1],
            score_thresh=model.score_thresh,
            nms_thresh=model.nms_thresh,
            max_detections=model.detections_per_img,
        )
        return [
            {
                "boxes": image_boxes[kept],
                "scores": image_scores[kept],
                "labels": image_classes[kept],
            }
        ]


def detect(model: RetinaNet | FCOS, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the model itself finds in one image, in the form of :class:`ExportableDetector`."""
    was_training = model.training
    try:
        with torch.no_grad():
            detections = model.eval()([image.float() / 255])[0]
    finally:
        model.train(was_training)
    return detections["boxes"], detections["scores"], detections["labels"]
