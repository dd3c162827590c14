"""Evaluation beside COCO's AP: matching of boxes, AP-Pool, and AP-Fixed for LVIS."""

from .coco import match_boxes
from .per_class import limit_per_class
from .pooled import MatchedImage, from_coco, pooled_ap

__all__ = ["MatchedImage", "from_coco", "limit_per_class", "match_boxes", "pooled_ap"]
