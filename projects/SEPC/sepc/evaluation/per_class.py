"""The best detections of each class over a whole data set, as AP-Fixed takes them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

#: detections per class of AP-Fixed on LVIS (https://arxiv.org/abs/2102.01066, Sec 4)
PER_CLASS = 10000


def limit_per_class(results: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Keep the ``limit`` best detections of each class over all images; there is none per image.

    Args:
        results: in COCO's results format.
        limit: 1 or more; among equal scores the earlier ones are kept.

    Returns:
        those that are kept, in their order.

    Raises:
        ValueError: for a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"detections per class: expected 1 or more, got {limit}")
    by_class: dict[int, list[int]] = defaultdict(list)
    for index, result in enumerate(results):
        by_class[result["category_id"]].append(index)
    kept = {
        index
        for indices in by_class.values()
        for index in sorted(indices, key=lambda i: -results[i]["score"])[:limit]
    }
    return [result for index, result in enumerate(results) if index in kept]
