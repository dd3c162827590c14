"""COCO evaluation with AP-Pool (``APpool``) beside AP, see :mod:`sepc.evaluation.pooled`.

Detectron2's own by its compiled operators where it has them, else by pycocotools or, if asked for,
by faster-coco-eval.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from typing import Any

from detectron2.evaluation import COCOEvaluator, coco_evaluation
from pycocotools.cocoeval import COCOeval

from ..evaluation import from_coco, pooled_ap


class PooledCOCOEvaluator(COCOEvaluator):
    """Detectron2's evaluator; the results of boxes and masks have ``APpool``, in percent, as well.

    NaN where nothing is found, as all of Detectron2's metrics are.

    Args:
        args, kwargs: of Detectron2's evaluator.
        faster_coco_eval: evaluate by the package of this name: the same numbers, without compiled
            operators of Detectron2.

    Raises:
        ValueError: if it is not installed.
    """

    def __init__(self, *args: Any, faster_coco_eval: bool = False, **kwargs: Any) -> None:
        if faster_coco_eval:
            check_faster_coco_eval()
            kwargs["use_fast_impl"] = False
        super().__init__(*args, **kwargs)
        self._faster = faster_coco_eval

    def _eval_predictions(self, predictions: Any, img_ids: Any = None) -> None:
        # Detectron2 chooses between two names of its module: one of them is exchanged meanwhile
        official = coco_evaluation.COCOeval
        if self._faster:
            from faster_coco_eval import COCOeval_faster

            coco_evaluation.COCOeval = COCOeval_faster
        try:
            super()._eval_predictions(predictions, img_ids)
        finally:
            coco_evaluation.COCOeval = official

    def _derive_coco_results(
        self, coco_eval: Any, iou_type: str, class_names: list[str] | None = None
    ) -> dict[str, float]:
        results = super()._derive_coco_results(coco_eval, iou_type, class_names)
        if iou_type not in ("bbox", "segm"):
            return results
        pooled = _pooled(coco_eval) if coco_eval is not None else float("nan")
        self._logger.info(f"AP-Pool of {iou_type}: {pooled:.3f}")
        return {**results, "APpool": pooled}


def check_faster_coco_eval() -> None:
    """Check that the package is installed.

    Raises:
        ValueError: if it is not.
    """
    if importlib.util.find_spec("faster_coco_eval") is None:
        raise ValueError(
            "dataloader.evaluator.faster_coco_eval: expected the package faster-coco-eval to be "
            "installed (pip install faster-coco-eval), it is not"
        )


def _pooled(coco_eval: COCOeval) -> float:
    """AP-Pool in percent, from COCO's matches of objects of all sizes.

    Compiled evaluations keep their matches to themselves: they are made once more.
    """
    size = len(coco_eval.params.imgIds)
    ranges = len(coco_eval.params.areaRng)
    cells = coco_eval.evalImgs
    if not cells:
        coco_eval = _matched_anew(coco_eval)
        cells, ranges = coco_eval.evalImgs, 1
    of_all_sizes = [
        cell
        for start in range(0, len(cells), ranges * size)
        for cell in cells[start : start + size]
    ]
    return 100 * float(pooled_ap(from_coco(of_all_sizes)).mean())


def _matched_anew(coco_eval: COCOeval) -> COCOeval:
    evaluation = COCOeval(coco_eval.cocoGt, coco_eval.cocoDt, coco_eval.params.iouType)
    params = evaluation.params
    params.imgIds, params.maxDets = coco_eval.params.imgIds, coco_eval.params.maxDets
    params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return evaluation
