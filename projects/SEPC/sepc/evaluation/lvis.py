"""AP-Fixed and AP-Pool of LVIS data, by the package ``lvis`` (https://arxiv.org/abs/2102.01066).

LVIS checks some classes in some images only: what is found of others does not count.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .coco import check_results
from .per_class import PER_CLASS, limit_per_class
from .pooled import MatchedImage, pooled_ap

GROUPS = ("r", "c", "f")  # rare, common, frequent


class LvisResult(NamedTuple):
    """Metrics in [0, 1], -1 where there is nothing to measure, and AP-Pool at each overlap.

    Attributes:
        metrics: LVIS's by their names, from no more than the best of each class: AP is AP-Fixed.
            APpool and APpoolr, APpoolc, APpoolf of all classes and of each group.
        pooled: (T,), AP-Pool at each overlap.
    """

    metrics: dict[str, float]
    pooled: np.ndarray


def evaluate_lvis(
    content: dict[str, Any], results: Sequence[dict[str, Any]], *, per_class: int = PER_CLASS
) -> LvisResult:
    """Evaluate boxes on LVIS data with a limit per class over all images, and none per image.

    Args:
        content: of LVIS's annotations.
        results: in COCO's results format; the detector should not have cut them off per image.
        per_class: detections of a class that count, the best ones.

    Raises:
        ImportError: if the package lvis is not installed.
        ValueError: for results of other data, or annotations that are not LVIS's.
    """
    lvis = _import_lvis()
    check_results(content, results)
    if not results:
        raise ValueError("expected detections to evaluate, got none")
    truth = lvis.LVIS.__new__(lvis.LVIS)  # which reads a file only
    truth.logger = logging.getLogger("lvis")
    truth.dataset = copy.deepcopy(content)  # it writes into it
    try:
        truth._create_index()
        limited = copy.deepcopy(limit_per_class(results, per_class))
        found = lvis.LVISResults(truth, limited, max_dets=-1)
        evaluation = lvis.LVISEval(truth, found, "bbox")
        evaluation.run()
    except KeyError as error:
        raise ValueError(f"expected LVIS's annotations, without {error} there") from error
    number = len(evaluation.params.area_rng) * len(evaluation.params.img_ids)
    cells = evaluation.eval_imgs
    of_all_sizes = [
        cell
        for start in range(0, len(cells), number)
        for cell in cells[start : start + len(evaluation.params.img_ids)]
    ]
    matches = [_match(cell) for cell in of_all_sizes if cell is not None]
    pooled = pooled_ap(matches)
    metrics = {name: float(value) for name, value in evaluation.get_results().items()}
    metrics["APpool"] = float(pooled.mean())
    for group, places in zip(GROUPS, evaluation.freq_groups, strict=True):
        ids = {evaluation.params.cat_ids[place] for place in places}
        of_group = pooled_ap([cell for cell in matches if cell.category_id in ids])
        metrics[f"APpool{group}"] = float(of_group.mean())
    return LvisResult(metrics, pooled)


def _match(cell: dict[str, Any]) -> MatchedImage:
    return MatchedImage(
        cell["image_id"],
        cell["category_id"],
        np.asarray(cell["dt_scores"], dtype=float),
        np.asarray(cell["dt_matches"]) > 0,
        np.asarray(cell["dt_ignore"], dtype=bool),
        int(np.count_nonzero(np.asarray(cell["gt_ignore"]) == 0)),
    )


def _import_lvis() -> Any:
    try:
        import lvis
    except ImportError as error:
        raise ImportError(f"{error}; expected the package lvis: pip install lvis") from error
    if not hasattr(np, "float"):  # which lvis 0.5.3 still names
        np.float = float  # type: ignore[attr-defined]
    return lvis
