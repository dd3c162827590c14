"""Two-stage detectors in a form that can be exported."""

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.modeling import GeneralizedRCNN
from detectron2.modeling.roi_heads import StandardROIHeads
from torch import Tensor, nn

from ...export.decode import at_most, select_detections
from ...inference import optimize_for_inference
from .detector import clip, preprocess


class ExportableRCNN(nn.Module):
    """Faster, Mask or Cascade R-CNN as tensors in, tensors out.

    Backbone, heads and poolers are the model's own. What Detectron2 decides by a branch on values
    of the image, such as whether all proposals are finite, is a mask over candidates here: the
    detections are the same.

    Args:
        model: copied, the original stays as it is.

    Raises:
        ValueError: for heads other than Detectron2's of boxes and masks, such as keypoints.
    """

    def __init__(self, model: GeneralizedRCNN) -> None:
        super().__init__()
        heads: Any = model.roi_heads
        if not isinstance(heads, StandardROIHeads) or heads.keypoint_on:
            raise ValueError(
                "expected a two-stage detector of boxes and perhaps masks, "
                f"got {type(heads).__name__} with keypoints or of its own kind"
            )
        self.model: Any = optimize_for_inference(model)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Detections, the highest score first.

        Args:
            image: (3, H, W), values from 0 to 255.

        Returns:
            boxes (D, 4) in pixels of the image, scores (D,), classes (D,), and masks
            (D, 1, h, w) in [0, 1] if the model predicts some.
        """
        size = image.shape[-2], image.shape[-1]
        features = self.model.backbone(preprocess(self.model, image[None]))
        heads = self.model.roi_heads
        proposals = _propose(self.model.proposal_generator, features, size)
        boxes, scores, classes = _classify(heads, features, proposals, size)
        if not heads.mask_on:
            return boxes, scores, classes
        maps = [features[name] for name in heads.mask_in_features]
        logits = heads.mask_head.layers(_pool(heads.mask_pooler, maps, boxes))
        if logits.shape[1] > 1:  # one for each class
            own = classes.view(-1, 1, 1, 1).expand(-1, 1, *logits.shape[-2:])
            logits = logits.gather(1, own)
        return boxes, scores, classes, logits.sigmoid()


def _propose(rpn: Any, features: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
    """Proposals (R, 4) of all levels, as ``find_top_rpn_proposals`` chooses them."""
    maps = [features[name] for name in rpn.in_features]
    boxes: list[Tensor] = []
    scores: list[Tensor] = []
    levels: list[Tensor] = []
    predictions = zip(rpn.anchor_generator(maps), *rpn.rpn_head(maps), strict=True)
    for anchors, logits, deltas in predictions:
        flat = logits[0].permute(1, 2, 0).flatten()  # positions, then anchors
        best, indices = flat.topk(at_most(flat.shape[0], rpn.pre_nms_topk[False]))
        by_anchor = deltas[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
        decoded = rpn.box2box_transform.apply_deltas(by_anchor[indices], anchors.tensor[indices])
        levels.append(torch.full_like(indices, len(levels)))
        boxes.append(decoded)
        scores.append(best)
    raw, logits = torch.cat(boxes), torch.cat(scores)
    clipped = clip(raw, *size)
    sides = clipped[:, 2:] - clipped[:, :2]
    usable = torch.isfinite(raw).all(dim=1) & torch.isfinite(logits)
    usable &= (sides > rpn.min_box_size).all(dim=1)
    _, kept = select_detections(
        clipped[None],
        torch.where(usable, logits, -torch.inf)[None],
        torch.cat(levels)[None],
        num_classes=len(levels),
        score_thresh=-torch.inf,
        nms_thresh=rpn.nms_thresh,
        max_detections=rpn.post_nms_topk[False],
    )
    proposals = clipped[kept]
    # without it, bounds of sizes that follow from this one may exceed the integers of ONNX
    torch._check(proposals.shape[0] <= rpn.post_nms_topk[False])
    return proposals


def _classify(
    heads: Any, features: dict[str, Tensor], boxes: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores and classes from proposals, by one stage or by those of a cascade."""
    maps = [features[name] for name in heads.box_in_features]
    stages = [(heads.box_head, heads.box_predictor)]
    if isinstance(heads.box_predictor, nn.ModuleList):
        stages = list(zip(heads.box_head, heads.box_predictor, strict=True))
    all_scores = []
    for head, predictor in stages:
        logits, deltas = predictor(head(_pool(heads.box_pooler, maps, boxes)))
        all_scores.append(logits.sigmoid() if predictor.use_sigmoid_ce else logits.softmax(dim=1))
        raw = predictor.box2box_transform.apply_deltas(deltas, boxes)  # (R, 4), or for each class
        boxes = clip(raw.reshape(-1, 4), *size)
    scores = sum(all_scores[1:], all_scores[0]) * (1.0 / len(stages))
    usable = torch.isfinite(raw).all(dim=1) & torch.isfinite(scores).all(dim=1)
    scores = torch.where(usable[:, None], scores[:, :-1], -1.0)  # the last is the background
    num_classes = scores.shape[1]
    by_class = boxes.view(raw.shape[0], raw.shape[1] // 4, 4).expand(-1, num_classes, 4)
    by_class = by_class.reshape(-1, 4)
    classes = torch.arange(num_classes, device=boxes.device).expand_as(scores).flatten()
    _, kept = select_detections(
        by_class[None],
        scores.flatten()[None],
        classes[None],
        num_classes=num_classes,
        score_thresh=predictor.test_score_thresh,
        nms_thresh=predictor.test_nms_thresh,
        max_detections=predictor.test_topk_per_image,
    )
    return by_class[kept], scores.flatten()[kept], classes[kept]


def _pool(pooler: Any, maps: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """Features (R, C, h, w) of boxes (R, 4), each from its level, as ``ROIPooler`` takes them."""
    rois = torch.cat((torch.zeros_like(boxes[:, :1]), boxes), dim=1)  # all of image 0
    if len(maps) == 1:
        return pooler.level_poolers[0](maps[0], rois)
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    relative = side / pooler.canonical_box_size + 1e-8  # FPN, Eq. 1
    levels = torch.floor(pooler.canonical_level + relative.log2())
    levels = levels.clamp(pooler.min_level, pooler.max_level) - pooler.min_level
    pooled = maps[0].new_zeros(boxes.shape[0], maps[0].shape[1], *pooler.output_size)
    for level, (pool, features) in enumerate(zip(pooler.level_poolers, maps, strict=True)):
        own = torch.nonzero(levels == level).squeeze(1)
        pooled = pooled.index_put((own,), pool(features, rois[own]))
    return pooled
